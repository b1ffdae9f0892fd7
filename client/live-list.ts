import { retry } from './backoff.js'
import type { Core } from './core.js'
import { Emitter, type Off } from './emitter.js'

/** How the records of a list are had and shown. */
export interface LiveListParts<R, T> {
  core: Core
  name: string
  /** All records, by REST. */
  load: () => Promise<R[]>
  idOf: (record: R) => string
  /** The list is in this order. */
  timeOf: (record: R) => number
  /** Makes what the app sees of a record. */
  show: (record: R) => T
  /** True if a record tells nothing new; its object then stays. Default: every record does. */
  isSame?: (before: R, now: R) => boolean
}

/**
 * A list of what the server keeps for the user: loaded by REST when it is first asked for and on every new socket, and kept up to date
 * by frames in between. It changes as a whole: each change makes a new array, so that two can be compared.
 */
export class LiveList<R, T> {
  readonly #parts: LiveListParts<R, T>
  readonly #events: Emitter
  readonly #records = new Map<string, R>()
  readonly #shown = new Map<R, T>()
  /** Ids that frames have told of while the list is loaded: what they say is newer. */
  #told = new Set<string>()
  #list: readonly T[] = []
  #isWanted = false
  #loading: AbortController | null = null

  constructor (parts: LiveListParts<R, T>) {
    this.#parts = parts
    this.#events = new Emitter(parts.core.fail, parts.name)
  }

  /** The current list, oldest first. */
  get list (): readonly T[] {
    this.#want()
    return this.#list
  }

  /** Calls the listener with the list at each change. Returns a function that takes it away. */
  on (_event: 'change', listener: (list: readonly T[]) => unknown): Off {
    this.#want()
    return this.#events.on('change', listener)
  }

  /** @internal */
  record (id: string): R | undefined {
    return this.#records.get(id)
  }

  /**
   * A frame tells of a record; null: it is gone.
   *
   * @internal
   */
  tell (id: string, record: R | null): void {
    this.#told.add(id)
    this.#set(id, record)
    this.#change()
  }

  /**
   * Loads the list, once anybody wants it: what came while there was no connection, or was missed, is not known otherwise.
   *
   * @internal
   */
  load (): void {
    const { core, name, load, idOf } = this.#parts
    if (!this.#isWanted || !core.isConnected) return
    this.lost()
    const { signal } = this.#loading = new AbortController()
    retry(async () => {
      const told = this.#told = new Set()
      const found = new Map((await load()).map((record) => [idOf(record), record]))
      if (signal.aborted) return
      for (const id of new Set([...this.#records.keys(), ...found.keys()])) if (!told.has(id)) this.#set(id, found.get(id) ?? null)
      this.#change()
    }, signal, (error) => core.fail(error, `loading the ${name}`))
  }

  /** @internal */
  lost (): void {
    this.#loading?.abort()
  }

  /** @internal */
  reset (): void {
    this.lost()
    this.#records.clear()
    this.#change()
  }

  #want (): void {
    if (this.#isWanted) return
    this.#isWanted = true
    this.#change()
    this.load()
  }

  #set (id: string, record: R | null): void {
    const before = this.#records.get(id)
    if (record === null) this.#records.delete(id)
    else if (before === undefined || this.#parts.isSame?.(before, record) !== true) this.#records.set(id, record)
  }

  #change (): void {
    const { timeOf, show } = this.#parts
    const records = [...this.#records.values()].sort((a, b) => timeOf(a) - timeOf(b))
    const shown = records.map((record) => this.#shown.get(record) ?? show(record))
    this.#shown.clear()
    records.forEach((record, i) => this.#shown.set(record, shown[i]!))
    if (shown.length === this.#list.length && shown.every((item, i) => item === this.#list[i])) return
    this.#list = shown
    this.#events.emit('change', shown)
  }
}
