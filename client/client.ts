import type { ConnectionData } from '../schemas/frames/server.js'
import { Acknowledgements } from './acknowledgements.js'
import type { Channel, ChannelOptions } from './channel.js'
import { Confirmations } from './confirmations.js'
import { Connection, type GetToken } from './connection.js'
import type { CallData, CallReply, Message, MessageOf, MessageType, PlainCallType } from './contract-types.js'
import type { Core } from './core.js'
import { both, Emitter, type Handled, type Off } from './emitter.js'
import { WsError } from './errors.js'
import { emitMessage, type Feed } from './feed.js'
import { Memberships } from './memberships.js'
import { Memory, type ClientStorage } from './memory.js'
import { Positions } from './positions.js'
import { Requests, type CallArguments, type CallOptions } from './requests.js'
import type { Frame, OpenSocket } from './socket.js'
import { codeOf, isOver, type Status, type StatusDetail } from './status.js'
import type { Tabs } from './tabs/index.js'
import { Tasks } from './tasks.js'

export interface ClientOptions {
  /** URL of the plugin, such as `/ws` (in a browser) or `https://api.example.com/ws`. `ws:` and `wss:` are understood. */
  url: string
  /**
   * Returns the user's token: called before each connection, when the current token ends soon, and when the server has refused it. null: there is
   * none, and the client becomes `signed-out`. If it throws, that is an `error`, and it is called again. Default: no token is sent; the user is
   * anonymous or known by a cookie.
   */
  getToken?: GetToken
  /** Keeps positions over a reload of the page, for instance `sessionStorage`. Default: none; a reloaded page gets what is sent from then on. */
  storage?: ClientStorage
  /** Shares one socket among the tabs of the browser: `tabs()` of `fastify-ws-manager/client/tabs`. Default: each tab has its own. */
  tabs?: Tabs
  /** false: the client is `closed` until `connect()` is called. Default true. */
  autoConnect?: boolean
}

/** A failure that nobody awaits: of a listener, of `getToken()`, `getState()` or the storage, or a server that speaks another protocol. */
export interface ClientFailure { error: unknown, where: string }

/** The user and the socket of this client, as the server knows them. */
export interface Me {
  /** null: anonymous. */
  userId: string | null
  /** Changes with each connection. */
  clientId: string
}

/** A client, made by {@link createClient}. `C` is the type of the contract. */
export class WsClient<C = unknown> {
  /** The messages for the user. */
  readonly user: Feed<C>
  /** The messages for everybody. */
  readonly all: Feed<C>
  /** The questions that wait for the user. */
  readonly confirmations: Confirmations<C>
  /** The tasks of the user. */
  readonly tasks: Tasks
  readonly #events = new Emitter(report, 'client')
  /** Every message. */
  readonly #messages: Emitter
  readonly #feeds = new Map<string, Emitter>()
  readonly #acknowledgements = new Acknowledgements()
  readonly #positions: Positions
  readonly #memory: Memory | null
  readonly #connection: Connection
  readonly #requests: Requests
  readonly #memberships: Memberships
  readonly #frames: ReadonlyMap<string, (frame: Frame) => unknown>
  #me: Me | null = null
  /** Id of the user whose positions these are; null: anonymous; undefined: not known yet. */
  #owner: string | null | undefined

  /** @internal */
  constructor ({ url, getToken, storage, tabs, autoConnect = true }: ClientOptions, openSocket: () => Promise<OpenSocket>) {
    const base = baseOf(url)
    const fail = this.#fail
    this.#messages = new Emitter(fail, 'messages')
    const positions = this.#positions = new Positions(() => this.#memory?.saveSoon())
    this.#memory = storage === undefined
      ? null
      : new Memory(storage, base, () => [this.#owner ?? null, positions.snapshot, this.#acknowledgements.snapshot], fail)
    const shared = tabs?.share(openSocket)
    const connection = this.#connection = new Connection({
      base,
      openSocket: (token) => shared?.(base, token) ?? openSocket(),
      getToken: getToken ?? null,
      status: this.#status,
      positions: () => positions.common,
      greeted: this.#greeted,
      frame: this.#frame,
      interrupted: this.#interrupted,
      fail
    })
    const requests = this.#requests = new Requests(connection)
    const core: Core = { base, wire: connection, fail, positions, requests }
    this.#memberships = new Memberships(core)
    this.user = this.#feed('user')
    this.all = this.#feed('all')
    this.confirmations = new Confirmations(core)
    this.tasks = new Tasks(core)
    this.#frames = new Map(Object.entries<(frame: Frame) => unknown>({
      ...this.#memberships.receivers,
      ...this.confirmations.receivers,
      ...this.tasks.receivers,
      reply: () => {},
      error: ({ code, message, details }) => fail(new WsError(code, message, { details, delivery: 'refused' }), 'a frame'),
      gap: ({ topic, epoch, offset }) => {
        positions.reach(topic, epoch, offset)
        this.#missed(topic)
      },
      availability: ({ type, ...state }) => {
        this.#events.emit('availability', state)
        // Frames about tasks and questions that ended meanwhile may not have been sent.
        if (state.available && !state.degraded) this.#reload()
      },
      dropped: ({ count }) => this.#events.emit('dropped', count)
    }))
    this.#memory?.read(([user, stored, handled]) => {
      this.#owner = user
      positions.recall(stored)
      this.#acknowledgements.recall(handled)
    })
    if (!autoConnect) return
    connection.status = 'connecting'
    // Later, so that the app can add its listeners first.
    queueMicrotask(() => { if (this.status === 'connecting') this.connect() })
  }

  get status (): Status {
    return this.#connection.status
  }

  /** Details of the status: why the client is not connected, and when the next attempt begins. */
  get statusDetail (): StatusDetail {
    return this.#connection.lastDetail
  }

  /** User and socket, from the server; null before the first connection, and after `signed-out`. */
  get me (): Me | null {
    return this.#me
  }

  /** The server's clock, milliseconds since 1970, as far as this client knows it. */
  get serverNow (): number {
    return this.#connection.serverNow
  }

  /** The status or its detail has changed. Returns a function that removes the listener. */
  on (event: 'status', listener: (status: Status, detail: StatusDetail) => unknown): Off
  /** The user has changed; null: signed out. Emitted for the first one too, but not for a new socket or token of the same user. */
  on (event: 'user', listener: (me: Me | null) => unknown): Off
  /** Something failed that nobody awaits. Without a listener it is written to the console. */
  on (event: 'error', listener: (failure: ClientFailure) => unknown): Off
  /** The services behind the server fail, or work again. */
  on (event: 'availability', listener: (state: { available: boolean, degraded: boolean, reasons: readonly string[] }) => unknown): Off
  /** The server dropped messages, because this client did not read fast enough. */
  on (event: 'dropped', listener: (count: number) => unknown): Off
  /** Every message of the app, of any stream, also one that was sent to this socket alone. */
  on (event: 'message', listener: (message: Message<C>) => unknown): Off
  /** Every message of a type, of any stream: `message:chat.message`. */
  on<T extends MessageType<C>> (event: `message:${T}`, listener: (message: MessageOf<C, T>) => unknown): Off
  on (event: string, listener: (...args: any[]) => unknown): Off {
    return (event.startsWith('message') ? this.#messages : this.#events).on(event.replace('message:', ''), listener)
  }

  /** Resolves when the client is connected. Rejects with `signed_out` or `closed` if it is that, or becomes it. */
  ready (): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (status: Status, { reason }: StatusDetail) => {
        if (status === 'connected') resolve()
        else if (isOver(status)) reject(new WsError(codeOf(status), reason!))
        else return
        off()
      }
      const off = this.#events.on('status', look)
      look(this.status, this.statusDetail)
    })
  }

  /** Connects, also after `signed-out` and `closed`. Does nothing if the client is connected or about to be. */
  connect (): void {
    this.#connection.start()
  }

  /** Closes the connection. Calls in progress fail with `closed`; positions are kept, so that nothing is missed after `connect()`. */
  close (): void {
    this.#connection.conclude('closed', 'closed')
  }

  /** Closes the connection and forgets everything about the user, in the storage too. */
  signOut (): void {
    this.#connection.conclude('signed-out', 'signed out')
  }

  /**
   * Calls a handler of the server. Rejects with a `WsError`: its `delivery` tells whether the call may have taken effect.
   *
   * A call without an answer when the connection is lost is sent again on the next one; the server runs it once. Calls of anonymous users, and
   * those with `repeat: false`, fail instead.
   */
  call<T extends PlainCallType<C>> (type: T, ...[data, options]: CallArguments<CallData<C, T>>): Promise<CallReply<C, T>> {
    return this.#requests.call(type, data ?? {}, options)
  }

  /** Joins a channel. Each call returns a new object, which is left by itself; the server sees one membership. */
  channel<N extends string, S = unknown> (name: N, options: ChannelOptions<S> = {}): Channel<C, N, S> {
    return this.#memberships.join(name, options)
  }

  /** The messages for users with a role. */
  role (name: string): Feed<C> {
    return this.#feed(`role:${name}`)
  }

  /** Sends a message to users, where the app allows it. */
  toUsers (ids: readonly string[], data: { type: string, [field: string]: unknown }, options?: CallOptions): Promise<void> {
    return this.#relay('user', ids, data, options)
  }

  /** Sends a message to the members of channels, where the app allows it. */
  toChannels (names: readonly string[], data: { type: string, [field: string]: unknown }, options?: CallOptions): Promise<void> {
    return this.#relay('channel', names, data, options)
  }

  /** Sends a message to single sockets, by their `me.clientId`, where the app allows it. */
  toClients (ids: readonly string[], data: { type: string, [field: string]: unknown }, options?: CallOptions): Promise<void> {
    return this.#relay('client', ids, data, options)
  }

  async #relay (type: string, ids: readonly string[], data: object, options?: CallOptions): Promise<void> {
    await this.#requests.send({ type, [`${type}_ids`]: ids, data }, { ...options, repeat: false })
  }

  readonly #fail = (error: unknown, where: string): void => {
    if (this.#events.emit('error', { error, where }) === null) report(error, where)
  }

  /** The listeners of a stream. */
  #feed (topic: string): Emitter & Feed<C> {
    const name = topic.startsWith('user') ? 'user' : topic
    let emitter = this.#feeds.get(name)
    if (!emitter) this.#feeds.set(name, emitter = new Emitter(this.#fail, `messages of "${name}"`))
    return emitter as Emitter & Feed<C>
  }

  readonly #status = (status: Status, detail: StatusDetail): void => {
    if (status === 'signed-out') this.#forget()
    if (isOver(status)) {
      this.#requests.close(codeOf(status), detail.reason!)
      this.#memberships.interrupted(true)
    }
    this.#events.emit('status', status, detail)
  }

  readonly #greeted = ({ client_id: clientId, user_id: userId, streams }: ConnectionData, isNew: boolean): void => {
    const isOther = userId !== this.#owner
    const isNews = isOther || !this.#me
    if (isOther && this.#owner !== undefined) {
      this.#disown()
      // Calls of one user are not made as another.
      if (isNew) this.#requests.close('identity_changed', 'the user has changed')
      this.#memberships.interrupted(true)
    }
    this.#owner = userId
    this.#me = { userId, clientId }
    if (isNews) this.#events.emit('user', this.#me)
    for (const { topic, epoch, offset, recovered } of streams) {
      const had = this.#positions.get(topic)
      // Channels come with `subscribed`.
      if (topic.startsWith('channel:') || (!isNew && had)) continue
      this.#positions.reach(topic, epoch, offset)
      if (had && !recovered) this.#missed(topic)
    }
    if (!isNew && !isOther) return
    this.#memberships.reconnected()
    this.#requests.reconnected()
    this.#reload()
  }

  readonly #frame = (frame: Frame): void => {
    const { type } = frame
    if (type === 'reply' || (type === 'error' && frame.id !== undefined)) {
      if (this.#requests.answer(frame)) return
    }
    const { stream } = frame
    const isKept = Boolean(stream?.epoch)
    if (isKept && !this.#positions.reach(stream.topic, stream.epoch, stream.offset)) return
    const own = this.#frames.get(type)
    const handled = own ? own(frame) : this.#message(frame)
    if (isKept && handled instanceof Promise) this.#positions.holdFor(stream.topic, handled)
  }

  /** A message of the app, or of another client. */
  #message (frame: Frame): Handled {
    const { message_id: id, requires_ack: isAcknowledged, stream } = frame
    if (isAcknowledged !== true) return this.#deliver(frame)
    const at = this.#acknowledgements.get(id)
    // Again, since the first acknowledgement may be lost.
    if (at) this.#acknowledge(id)
    if (at !== undefined) return stream && this.#acknowledgements.arrived(id) ? this.#toStream(stream.topic, frame) : true
    this.#acknowledgements.begin(id, !stream)
    const handled = this.#deliver(frame)
    if (handled instanceof Promise) handled.then((isHandled) => this.#delivered(id, isHandled))
    else this.#delivered(id, handled)
    return handled
  }

  #delivered (id: string, isHandled: boolean | null): void {
    if (isHandled === null) return this.#acknowledgements.forget(id)
    if (!isHandled) return
    this.#acknowledgements.settle(id)
    this.#memory?.saveSoon()
    this.#acknowledge(id)
  }

  #acknowledge (messageId: string): void {
    if (this.#connection.isGreeted) this.#connection.transmit(JSON.stringify({ type: 'ack', message_id: messageId }))
  }

  #deliver (frame: Frame): Handled {
    const every = emitMessage(this.#messages, frame)
    const topic: string | undefined = frame.stream?.topic
    return topic ? both(every, this.#toStream(topic, frame)) : every
  }

  #toStream (topic: string, frame: Frame): Handled {
    return topic.startsWith('channel:') ? this.#memberships.receive(topic.slice(8), frame) : emitMessage(this.#feed(topic), frame)
  }

  /** Messages of a stream are lost for this page. */
  #missed (topic: string): void {
    if (topic.startsWith('channel:')) return this.#memberships.gap(topic.slice(8))
    this.#reload()
    this.#feed(topic).emit('gap')
  }

  /** Loads the questions and tasks again: frames about them may have been missed. */
  #reload (): void {
    this.confirmations.load()
    this.tasks.load()
  }

  readonly #interrupted = (code: string, reason: string): void => {
    this.#requests.interrupted(code, reason, this.#me?.userId === null)
    this.#memberships.interrupted()
    this.confirmations.interrupted()
    this.tasks.interrupted()
  }

  /** Drops what belongs to the user before. */
  #disown (): void {
    this.#positions.forget()
    this.confirmations.reset()
    this.tasks.reset()
  }

  #forget (): void {
    this.#disown()
    this.#memory?.clear()
    this.#owner = undefined
    if (!this.#me) return
    this.#me = null
    this.#events.emit('user', null)
  }
}

function baseOf (url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url, (globalThis as { location?: { href: string } }).location?.href)
    return `${protocol.replace('ws', 'http')}//${host}${pathname.replace(/\/$/, '')}`
  } catch (cause) {
    throw new TypeError(`createClient: "${url}" must be absolute here`, { cause })
  }
}

function report (error: unknown, where: string): void {
  console.error(`ws-manager: ${where}`, error)
}
