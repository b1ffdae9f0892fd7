import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { ClientRecord } from '../../schemas/records.js'
import type { User } from '../user.js'
import type { AnyClient, ConnectionEnd } from '../client.js'
import { closeCodes } from '../../schemas/codes.js'
import type { Clock } from '../engine/engine.js'
import type { Limits } from '../telemetry/limits.js'
import type { EncodedMessage } from './message.js'
import { ConnectionBudget } from './connection-budget.js'
import type { RateBudgets } from './rate-budgets.js'
import type { ClosingSockets } from './closing.js'
import { ErrorCap } from './error-cap.js'
import type { Grant } from './grant.js'
import { Identity } from './identity.js'
import { Inbox, type InboxSettings } from './inbox.js'
import { Liveness } from './liveness.js'
import type { ConnectionOrigin } from './origin.js'
import type { SendQueue } from './send-queue.js'
import type { Transport } from './transport.js'

/** How long a client may take to answer a close frame while somebody waits for its end. */
const FAREWELL_MS = 1_000

const NO_GRANTS: ReadonlyMap<string, Grant> = new Map()

/** What all connections of a node have in common. */
export interface ConnectionSettings extends InboxSettings {
  clock: Clock
  maxErrorsPerMinute: number
  maxRateLimitedPerMinute: number
  rateBudgets: RateBudgets
  closing: ClosingSockets
  limits: Limits
  /** How long a client may take to answer a close frame. */
  closeTimeoutMs: number
  log: FastifyBaseLogger
  /** A client did not read what was sent to it. */
  onSlow: (connection: Connection, action: 'drop' | 'disconnect') => void
  /** The server has sent the close frame, or cut the socket. */
  onClosing: (connection: Connection) => void
}

/** One socket: its identity and its memberships. */
export class Connection implements AnyClient {
  readonly id = randomUUID()
  readonly connectedAt: number
  readonly origin: ConnectionOrigin
  readonly errorCap: ErrorCap
  readonly inbox: Inbox
  /** Whose the socket is; another object as soon as it is another user's. */
  identity: Identity
  /** Whether it is known who the socket belongs to; until then only `auth` frames are read. */
  isAdmitted = false
  readonly liveness = new Liveness()
  /** When anything last arrived, on the clock of `performance.now()`. */
  heardAt = performance.now()
  readonly #transport: Transport
  readonly #queue: SendQueue
  readonly #settings: ConnectionSettings
  #grants: Map<string, Grant> | null = null
  #budget: ConnectionBudget | null = null
  /** Counts refusals for lack of budget. Made with the first such frame. */
  #refusalCap: ErrorCap | null = null
  /** How the socket was cut, where that is known better here than by the socket. */
  #cutAs: ConnectionEnd | null = null
  /** One wait for the end, however many ask for it: they share one listener and one timer. */
  #gone: Promise<void> | null = null

  constructor (transport: Transport, queue: SendQueue, origin: ConnectionOrigin, settings: ConnectionSettings) {
    this.#transport = transport
    this.#queue = queue
    this.#settings = settings
    this.connectedAt = settings.clock.now()
    this.origin = origin
    this.identity = new Identity(origin.user, this, settings.log)
    this.errorCap = new ErrorCap(settings.maxErrorsPerMinute)
    this.inbox = new Inbox(transport, this.liveness, settings)
  }

  /** Whether messages can still be handed to the socket: no close frame was sent or received. */
  get isOpen (): boolean {
    return this.#queue.isOpen && this.#cutAs === null
  }

  get ip (): string {
    return this.origin.ip
  }

  get rttMs (): number | null {
    return this.liveness.rttMs
  }

  get channels (): string[] {
    return [...this.grants.keys()]
  }

  /** The channels, and why the connection is a member of each. */
  get grants (): ReadonlyMap<string, Grant> {
    return this.#grants ?? NO_GRANTS
  }

  get protocol (): string | null {
    return this.#transport.protocol
  }

  get user (): User | null {
    return this.identity.user
  }

  /** Names the socket and the user that it has now. */
  get log (): FastifyBaseLogger {
    return this.identity.log
  }

  /** What the socket's frames are charged to. Made with the first of them. */
  get budget (): ConnectionBudget {
    this.#budget ??= new ConnectionBudget(this.user, this.#settings.rateBudgets, this.#settings.limits)
    return this.#budget
  }

  /** Attaches the listeners; called once, before anything is awaited, so that no frame is missed. */
  listen (onMessage: (data: Buffer, isBinary: boolean) => void, onEnd: (end: ConnectionEnd) => void): void {
    this.#transport.listen({
      message: (data, isBinary) => {
        this.heardAt = performance.now()
        onMessage(data, isBinary)
      },
      pong: (data) => {
        this.heardAt = performance.now()
        if (!this.liveness.ponged(data.toString(), this.heardAt)) this.#controlled(data)
      },
      ping: (data) => {
        this.heardAt = performance.now()
        this.#controlled(data)
      },
      error: (error, limit) => {
        if (limit !== null) this.#settings.limits[limit].count()
        this.log.debug({ err: error }, 'the socket failed')
      },
      close: (code, reason) => {
        this.identity.abort()
        onEnd(this.#cutAs ?? { code, reason })
      }
    })
  }

  /** Hands a message to the socket; on a socket that is closing it goes nowhere. */
  send (message: EncodedMessage): void {
    if (this.#cutAs !== null) return
    const result = this.#queue.send(message)
    if (result === 'queued') return
    if (result === 'overflow') {
      this.#cut(closeCodes.tryAgainLater, 'The client does not read')
      this.#settings.onSlow(this, 'disconnect')
    } else if (this.#queue.dropped === 1) {
      this.#settings.onSlow(this, 'drop')
    }
  }

  /** Whether the queue is so full that producers which can wait should. */
  get isCongested (): boolean {
    return this.#queue.isCongested
  }

  /** Resolves when everything that waits now has left, or the socket is gone. */
  drained (): Promise<void> {
    return this.#queue.drained()
  }

  /** Writes what waits, instead of at the end of this turn. */
  flush (): void {
    this.#queue.flush()
  }

  /** True if messages wait and the client has read nothing since the latest ping. */
  get isStuck (): boolean {
    return this.#queue.isCongested && this.#queue.flushedBytes === this.liveness.flushedBytes
  }

  /** Sends a WebSocket ping. */
  ping (): void {
    this.#transport.ping(this.liveness.pinging(this.#queue.flushedBytes))
  }

  /** A frame was refused because there were too many. One now and then does no harm; a socket that goes on for long is closed. */
  refused (): void {
    this.#refusalCap ??= new ErrorCap(this.#settings.maxRateLimitedPerMinute)
    if (this.#refusalCap.hit()) this.#settings.limits.rate_limited.close(this)
  }

  /** Sends the close frame; nothing is sent after it. A client that does not answer in `closeTimeoutMs` is cut. */
  close (code: number, reason: string): void {
    if (!this.isOpen) return
    this.#queue.flush()
    this.#settings.closing.close(this.#transport, code, reason)
    this.#over()
  }

  /** The client is ending the socket: it has as long for that as if the server had. */
  closedByClient (): void {
    this.#settings.closing.add(this.#transport)
  }

  /**
   * Ends the socket so that no queued message reaches the client any more: the queue is discarded. If a part of it is in the raw
   * socket already, a close frame would follow it, so the socket is cut without one. Resolves as `gone` does.
   */
  expel (code: number, reason: string): Promise<void> {
    if (this.#queue.discard()) this.close(code, reason)
    else this.#cut(code, reason)
    return this.gone()
  }

  /**
   * Resolves when the socket has ended. A client that does not answer the close frame soon is cut, and data in the kernel's
   * buffer is dropped, so nothing reaches it afterwards. (With TLS the kernel still sends that data.)
   */
  gone (): Promise<void> {
    this.#gone ??= this.#end()
    return this.#gone
  }

  async #end (): Promise<void> {
    // Already closed: no further close event will fire.
    if (this.#transport.isClosed) return
    const timer = setTimeout(() => this.#queue.destroy(), Math.min(FAREWELL_MS, this.#settings.closeTimeoutMs))
    await new Promise<void>((resolve) => this.#transport.onClose(resolve))
    clearTimeout(timer)
  }

  /** Cuts the socket without a word. */
  terminate (): void {
    this.#transport.terminate()
  }

  grant (channel: string, grant: Grant): void {
    (this.#grants ??= new Map()).set(channel, grant)
  }

  revoke (channel: string): boolean {
    return this.#grants?.delete(channel) === true
  }

  /** The same user with a fresh token, or another: who that is ends the identity before. */
  become (user: User | null): void {
    if (user?.id === this.user?.id) this.identity.user = user
    else this.identity = new Identity(user, this, this.#settings.log)
    this.#budget?.become(user)
  }

  toRecord (): ClientRecord {
    return {
      client_id: this.id,
      user_id: this.user?.id ?? null,
      channels: this.channels,
      ip: this.ip,
      protocol: this.protocol,
      connected_at: this.connectedAt,
      rtt_ms: this.rttMs
    }
  }

  /** Ends a socket whose close frame would wait behind what the client does not read. */
  #cut (code: number, reason: string): void {
    this.#cutAs = { code, reason }
    this.#queue.destroy()
    this.#over()
  }

  /** The server has ended the socket. */
  #over (): void {
    this.inbox.clear()
    this.identity.abort()
    this.#settings.onClosing(this)
  }

  /** Charges a ping or an unsolicited pong like a frame: a ping is answered with as many bytes, which the client need not read. */
  #controlled (data: Buffer): void {
    if (this.isOpen && this.budget.pace(data.length, this.heardAt) !== null) this.refused()
  }
}
