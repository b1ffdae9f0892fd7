import type { WsClient } from '../client.js'
import type { Off } from '../emitter.js'

export type Handler = (message: any) => unknown

interface Entry { type: string, handler: Handler, offs: Map<WsClient, Off> }

/** Handlers of messages by type, for pages without modules. They get the messages of every client that is attached, before or after them. */
export class HandlerRegistry {
  readonly #entries = new Set<Entry>()
  readonly #clients = new Set<WsClient>()

  /**
   * Calls the handler with each message of a type, of any stream. The same function is registered once per type. Returns a function that
   * removes it.
   *
   * @throws TypeError if the type is no string or the handler no function
   */
  readonly register = (type: string, handler: Handler): Off => {
    if (typeof type !== 'string' || typeof handler !== 'function') throw new TypeError('WebSocketRegistry.register() needs the type of the messages and a function')
    if (this.#find(type, handler) === undefined) {
      const entry: Entry = { type, handler, offs: new Map() }
      this.#entries.add(entry)
      for (const client of this.#clients) listen(entry, client)
    }
    return () => { this.unregister(type, handler) }
  }

  /** Removes a handler. Returns false if it is not registered for the type. */
  readonly unregister = (type: string, handler: Handler): boolean => {
    const entry = this.#find(type, handler)
    if (entry === undefined) return false
    this.#entries.delete(entry)
    for (const off of entry.offs.values()) off()
    return true
  }

  /** Hands the messages of a client to the handlers from now on. */
  attach (client: WsClient): void {
    this.#clients.add(client)
    for (const entry of this.#entries) listen(entry, client)
  }

  #find (type: string, handler: Handler): Entry | undefined {
    return [...this.#entries].find((entry) => entry.type === type && entry.handler === handler)
  }
}

function listen ({ type, handler, offs }: Entry, client: WsClient): void {
  offs.set(client, client.on(`message:${type}`, handler))
}
