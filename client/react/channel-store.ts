import type { ChannelState, ChannelStatus } from '../channel.js'
import type { Off } from '../emitter.js'
import { WsError } from '../errors.js'
import type { CallOptions } from '../requests.js'

/**
 * Listeners of a component for a channel. They may be new functions on each render: the latest ones are called. `M` has the messages by type,
 * `S` is the state.
 */
export interface UseChannelOptions<M, S> {
  /** Listeners by type of message. */
  on?: { [T in keyof M]?: (message: M[T]) => unknown }
  /** Gets every message. */
  onMessage?: (message: M[keyof M]) => unknown
  /** Loads the state of the channel, see `ChannelOptions`. One that is added after the component has joined is not called. */
  getState?: (context: { signal: AbortSignal }) => Promise<ChannelState<S>> | ChannelState<S>
  /** Gets the state that `getState` has loaded; the messages that are not in it follow. */
  onState?: (state: S) => unknown
  /** Messages were missed and cannot be recovered. With `getState` the state is loaded again. */
  onGap?: () => unknown
}

/** A channel as a component sees it at one moment. */
export interface ChannelView {
  readonly status: ChannelStatus
  /** Why the channel is refused; null: it is not. */
  readonly error: WsError | null
}

type Listener = (value: never) => unknown
type GetState = (context: { signal: AbortSignal }) => unknown

/** The same options for any contract. */
interface AnyOptions {
  on?: Record<string, Listener | undefined>
  onMessage?: Listener
  getState?: GetState
  onState?: Listener
  onGap?: Listener
}

/** The part of a client that is used, for any contract. */
export interface ChannelClient {
  channel (name: string, options: { getState?: GetState }): {
    readonly presence: readonly string[]
    on (type: string, listener: Listener): Off
    call (type: string, data?: object, options?: CallOptions): Promise<unknown>
    leave (): void
  }
}

const JOINING: ChannelView = Object.freeze({ status: 'joining', error: null })
const NOT_JOINED: ChannelView = Object.freeze({ status: 'left', error: null })
export const NOBODY: readonly string[] = Object.freeze([])

/** The membership of one component: joins with its first subscriber. The constructor has no effect, so a render may call it. */
export class ChannelStore {
  readonly #client: ChannelClient | null
  readonly #name: string | null
  readonly #subscribers = new Set<() => void>()
  readonly #offs = new Map<string, () => void>()
  #options: AnyOptions = {}
  #channel: ReturnType<ChannelClient['channel']> | null = null
  #view: ChannelView
  #leaving: ReturnType<typeof setTimeout> | undefined

  /** @param client null: there is none, as on a server @param name null: no channel is joined */
  constructor (client: ChannelClient | null, name: string | null) {
    this.#client = client
    this.#name = name
    this.#view = name === null ? NOT_JOINED : JOINING
  }

  readonly view = (): ChannelView => this.#view

  readonly serverView = (): ChannelView => this.#name === null ? NOT_JOINED : JOINING

  readonly presence = (): readonly string[] => this.#channel?.presence ?? NOBODY

  readonly subscribe = (changed: () => void): (() => void) => {
    // A set would hold the same function only once.
    const own = () => changed()
    this.#subscribers.add(own)
    clearTimeout(this.#leaving)
    if (this.#channel === null) this.#join()
    return () => {
      this.#subscribers.delete(own)
      if (this.#subscribers.size > 0) return
      // Later, so that the server sees neither the second mount of strict mode nor a change of components in one commit.
      this.#leaving = setTimeout(() => this.#leave(), 0)
    }
  }

  async call (type: string, data?: object, options?: CallOptions): Promise<unknown> {
    if (this.#channel === null) throw new WsError('closed', `"${type}" has no channel: the component is not mounted, or joins none`)
    return this.#channel.call(type, data, options)
  }

  /** Takes the listeners of the latest render. */
  use (options: AnyOptions): void {
    this.#options = options
    this.#listen()
  }

  #join (): void {
    if (this.#client === null || this.#name === null) return
    const options = this.#options.getState === undefined ? {} : { getState: (context: { signal: AbortSignal }) => this.#options.getState!(context) }
    const channel = this.#channel = this.#client.channel(this.#name, options)
    this.#view = JOINING
    channel.on('status', (status: ChannelStatus) => this.#change({ status, error: this.#view.error }))
    channel.on('error', (error: WsError) => this.#change({ status: 'refused', error }))
    channel.on('presence', () => this.#tell())
    this.#listen()
  }

  #leave (): void {
    const channel = this.#channel
    this.#channel = null
    this.#offs.clear()
    channel?.leave()
    // The component joins again when it is mounted again.
    this.#view = this.serverView()
  }

  /** Listens to no more types than the component does: a message without a listener is not acknowledged. */
  #listen (): void {
    if (this.#channel === null) return
    const wanted = listenersOf(this.#options)
    for (const type of wanted.keys()) {
      if (!this.#offs.has(type)) this.#offs.set(type, this.#channel.on(type, (value: never) => listenersOf(this.#options).get(type)?.(value)))
    }
    for (const [type, off] of this.#offs) {
      if (wanted.has(type)) continue
      off()
      this.#offs.delete(type)
    }
  }

  #change (view: ChannelView): void {
    this.#view = Object.freeze(view)
    this.#tell()
  }

  #tell (): void {
    for (const changed of [...this.#subscribers]) changed()
  }
}

function listenersOf ({ on = {}, onMessage, onState, onGap }: AnyOptions): Map<string, Listener> {
  const all: [string, Listener | undefined][] = [...Object.entries(on), ['message', onMessage], ['state', onState], ['gap', onGap]]
  return new Map(all.filter((entry): entry is [string, Listener] => entry[1] !== undefined))
}
