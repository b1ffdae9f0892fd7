import { retry } from './backoff.js'
import type { CallData, CallReply, ChannelCallType, ChannelMessageType, Message, MessageOf } from './contract-types.js'
import type { Core } from './core.js'
import { Emitter, type Handled, type Off } from './emitter.js'
import { WsError } from './errors.js'
import { emitMessage } from './feed.js'
import type { StreamPosition } from './positions.js'
import type { CallArguments } from './requests.js'

/**
 * - `joining`: not a member yet, or not any more because the connection is lost.
 * - `loading`: a member; `getState()` is at work, and messages wait for it.
 * - `live`: messages arrive as they are sent.
 * - `refused`: the server does not let this user in; see the event `error`.
 * - `left`: by `leave()`.
 */
export type ChannelStatus = 'joining' | 'loading' | 'live' | 'refused' | 'left'

/** Result of `getState()`: the state, and the position that the server's `ws.position(topic)` returned before it read the state. */
export interface ChannelState<S> { state: S, position?: StreamPosition | null }

export interface ChannelOptions<S> {
  /**
   * Loads the state of the channel, such as its latest lines: after joining, and after messages were missed. The event `state` has it; the
   * messages that are not in it follow. With `position` none is missing and none comes twice; without, a message may be in the state and come
   * as well. Called again, with growing delays, when it fails or returns a state that is older than the channel's messages here. `signal` fires
   * when the result is not wanted any more.
   */
  getState?: (context: { signal: AbortSignal }) => Promise<ChannelState<S>> | ChannelState<S>
}

/** The part of its membership that a channel needs. */
export interface ChannelHost { readonly users: readonly string[] }

/** Maximum number of messages that wait in an iterator. */
const MAX_ITERATED = 1_000

/** A channel: its messages, who is in it, and calls for its members. `C` is the contract, `N` the name, `S` the state of `getState()`. */
export class Channel<C = unknown, N extends string = string, S = unknown> implements AsyncIterable<Message<C>> {
  readonly name: N
  status: ChannelStatus = 'joining'
  readonly #options: ChannelOptions<S>
  readonly #core: Core
  readonly #host: ChannelHost
  readonly #leave: () => void
  readonly #events: Emitter
  /** Messages that wait for the state, each with the function that says whether it was handled; null: no state is being loaded. */
  #waiting: { message: any, settle: (isHandled: boolean) => void }[] | null = null
  #loading: AbortController | null = null
  #hasState = false
  /** Position up to which messages are in the state: some may still arrive after it was loaded. */
  #included: StreamPosition | null | undefined

  /** @internal */
  constructor (name: N, options: ChannelOptions<S>, core: Core, host: ChannelHost, leave: () => void) {
    this.name = name
    this.#options = options
    this.#core = core
    this.#host = host
    this.#leave = leave
    this.#events = new Emitter(core.fail, `channel "${name}"`)
  }

  /** Listens to the messages of a type. Returns a function that removes the listener. */
  on<T extends ChannelMessageType<C, N>> (type: T, listener: (message: MessageOf<C, T>) => unknown): Off
  /** Listens to all messages. */
  on (type: 'message', listener: (message: Message<C>) => unknown): Off
  /** `getState()` has loaded the state; the messages that are not in it follow. */
  on (type: 'state', listener: (state: S) => unknown): Off
  /** Messages were missed and cannot be recovered. With `getState` the state is loaded again. Not emitted when the channel is joined first. */
  on (type: 'gap', listener: () => unknown): Off
  on (type: 'status', listener: (status: ChannelStatus) => unknown): Off
  /** Users came or left. Never in a channel without presence. */
  on (type: 'presence', listener: (users: readonly string[]) => unknown): Off
  /** The server does not let the user in, or no longer. Without a listener it is an `error` of the client. */
  on (type: 'error', listener: (error: WsError) => unknown): Off
  on (type: string, listener: (...args: any[]) => unknown): Off {
    return this.#events.on(type, listener)
  }

  /** Ids of the users in the channel; empty where the server keeps no presence for it. A new array at each change. */
  get presence (): readonly string[] {
    return this.#host.users
  }

  /** Calls a handler that belongs to channels, for this channel; the user must be a member. See `client.call`. */
  call<T extends ChannelCallType<C>> (type: T, ...[data, options]: CallArguments<CallData<C, T>>): Promise<CallReply<C, T>> {
    return this.#core.requests.call(type, { ...data, channel: this.name }, options)
  }

  /** Leaves the channel. The server is told when no other part of the page is in it. */
  leave (): void {
    if (this.status === 'left') return
    this.#stopLoading()
    this.#set('left')
    this.#leave()
  }

  /** The messages from now on, until the channel is left. Rejects with `overflow` if 1,000 wait to be read, and with the error of a refused channel. */
  async * [Symbol.asyncIterator] (): AsyncGenerator<Message<C>, void, void> {
    const messages: Message<C>[] = []
    let fault = null as WsError | null
    let wake = () => {}
    const offs = [
      this.on('message', (message) => {
        if (messages.length < MAX_ITERATED) messages.push(message)
        else fault ??= new WsError('overflow', `channel "${this.name}": ${MAX_ITERATED} unread messages`)
        wake()
      }),
      this.on('error', (refused) => { fault ??= refused; wake() }),
      this.on('status', () => wake())
    ]
    try {
      for (;;) {
        if (messages.length > 0) yield messages.shift()!
        else if (fault) throw fault
        else if (this.status === 'left') return
        else await new Promise<void>((resolve) => { wake = resolve })
      }
    } finally {
      for (const off of offs) off()
    }
  }

  /**
   * Notes that the server has let the user in.
   *
   * @internal
   * @param from position after which messages follow; undefined: the channel has no history
   * @param isWhole false: messages before `from` were missed
   * @param isFirst there was no earlier position that messages could be missing after
   */
  entered (from: StreamPosition | undefined, isWhole: boolean, isFirst: boolean): void {
    if (!isWhole && !isFirst) this.#events.emit('gap')
    if (this.status === 'left') return
    const { getState } = this.#options
    if (isWhole && this.#loading) this.#set('loading')
    else if (!getState || (isWhole && this.#hasState)) this.#set('live')
    else this.#load(from)
  }

  /**
   * Hands a message to the listeners, or keeps it until the state is loaded.
   *
   * @internal
   */
  receive (message: { type: string }): Handled {
    const waiting = this.#waiting
    return waiting ? new Promise((resolve) => { waiting.push({ message, settle: resolve }) }) : this.#handOver(message)
  }

  /** @internal */
  interrupted (isOver: boolean): void {
    if (isOver) this.#stopLoading()
    if (isOver || this.status !== 'refused') this.#set('joining')
  }

  /** @internal */
  refused (error: WsError): void {
    this.#stopLoading()
    this.#set('refused')
    if (this.#events.emit('error', error) === null) this.#core.fail(error, `channel "${this.name}"`)
  }

  /** @internal */
  presenceChanged (users: readonly string[]): void {
    this.#events.emit('presence', users)
  }

  #load (from: StreamPosition | undefined): void {
    this.#stopLoading()
    const { signal } = this.#loading = new AbortController()
    this.#waiting = []
    this.#hasState = false
    this.#set('loading')
    const where = `getState() of channel "${this.name}"`
    retry(async () => {
      const { state, position } = await this.#options.getState!({ signal })
      if (signal.aborted) return
      if (position && from && (position.epoch !== from.epoch || position.offset < from.offset)) {
        throw new WsError('old_state', `${where} is older than its messages`)
      }
      this.#loaded(state, position)
    }, signal, (error) => this.#core.fail(error, where))
  }

  #loaded (state: S, position: StreamPosition | null | undefined): void {
    const waiting = this.#waiting!
    this.#loading = null
    this.#waiting = null
    this.#hasState = true
    this.#included = position
    this.#events.emit('state', state)
    for (const { message, settle } of waiting) {
      const result = this.#handOver(message)
      if (result instanceof Promise) result.then(settle)
      else settle(result === true)
    }
    if (this.status === 'loading') this.#set('live')
  }

  #handOver (message: any): Handled {
    const { stream } = message
    const included = this.#included
    return included && stream?.epoch === included.epoch && stream.offset <= included.offset ? true : emitMessage(this.#events, message)
  }

  /** Drops the messages that wait: the next state has them, or the channel was left. */
  #stopLoading (): void {
    this.#loading?.abort()
    this.#loading = null
    for (const { settle } of this.#waiting ?? []) settle(false)
    this.#waiting = null
  }

  #set (status: ChannelStatus): void {
    if (this.status === status) return
    this.status = status
    this.#events.emit('status', status)
  }
}
