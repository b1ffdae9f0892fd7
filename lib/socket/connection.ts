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

/** Time allowed for a client to answer a close frame while a caller awaits its end. */
const FAREWELL_MS = 1_000

const NO_GRANTS: ReadonlyMap<string, Grant> = new Map()

/** Settings shared by all connections of a node. */
export interface ConnectionSettings extends InboxSettings {
  clock: Clock
  maxErrorsPerMinute: number
  maxRateLimitedPerMinute: number
  rateBudgets: RateBudgets
  closing: ClosingSockets
  limits: Limits
  /** Time allowed for a client to answer a close frame. */
  closeTimeoutMs: number
  log: FastifyBaseLogger
  /** Called when a client has not read its messages. */
  onSlow: (connection: Connection, action: 'drop' | 'disconnect') => void
  /** Called when the server has sent the close frame or cut the socket. */
  onClosing: (connection: Connection) => void
}

/** One socket: its identity and its memberships. */
export class Connection implements AnyClient {
  readonly id = randomUUID()
  readonly connectedAt: number
  readonly origin: ConnectionOrigin
  readonly errorCap: ErrorCap
  readonly inbox: Inbox
  /** Owner of the socket. Replaced by another object when the socket switches users. */
  identity: Identity
  /** True if the socket is authenticated, or anonymous; before that only `auth` frames are accepted. */
  isAdmitted = false
  readonly liveness = new Liveness()
  /** Time of the latest arrival of any data, on the clock of `performance.now()`. */
  heardAt = performance.now()
  readonly #transport: Transport
  readonly #queue: SendQueue
  readonly #settings: ConnectionSettings
  #grants: Map<string, Grant> | null = null
  #budget: ConnectionBudget | null = null
  /** Counts rate-limited frames. Created with the first one. */
  #refusalCap: ErrorCap | null = null
  /** Close code and reason of a socket that was cut, since the transport only reports 1006. */
  #cutAs: ConnectionEnd | null = null
  /** Promise of the end, shared by all callers together with one listener and one timer. */
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

  /** True if messages can be sent: no close frame was sent or received. */
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

  /** The channels, each with the grant of its membership. */
  get grants (): ReadonlyMap<string, Grant> {
    return this.#grants ?? NO_GRANTS
  }

  get protocol (): string | null {
    return this.#transport.protocol
  }

  get user (): User | null {
    return this.identity.user
  }

  /** Logger that names the socket and its current user. */
  get log (): FastifyBaseLogger {
    return this.identity.log
  }

  /** Budget that the socket's frames are charged to. Created with the first one. */
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
        if (!this.liveness.ponged(data.toString(), this.heardAt)) this.#chargeControlFrame(data)
      },
      ping: (data) => {
        this.heardAt = performance.now()
        this.#chargeControlFrame(data)
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

  /** Sends a message; on a closing socket it is discarded. */
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

  /** True if the queue is so full that producers should wait if they can. */
  get isCongested (): boolean {
    return this.#queue.isCongested
  }

  /** Resolves when all messages queued now have been handed to the kernel, or the socket has ended. */
  drained (): Promise<void> {
    return this.#queue.drained()
  }

  /** Writes the queued messages now instead of at the end of this turn. */
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

  /** Counts a rate-limited frame, and closes the socket if there are too many within a minute. */
  refused (): void {
    this.#refusalCap ??= new ErrorCap(this.#settings.maxRateLimitedPerMinute)
    if (this.#refusalCap.hit()) this.#settings.limits.rate_limited.close(this)
  }

  /** Sends the close frame; nothing is sent after it. A client that does not answer in `closeTimeoutMs` is cut. */
  close (code: number, reason: string): void {
    if (!this.isOpen) return
    this.#queue.flush()
    this.#settings.closing.close(this.#transport, code, reason)
    this.#cleanUp()
  }

  /** Called when the client has sent its close frame: it has `closeTimeoutMs` to end the socket, as if the server had closed it. */
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

  /** Cuts the socket without a close frame. */
  terminate (): void {
    this.#transport.terminate()
  }

  grant (channel: string, grant: Grant): void {
    (this.#grants ??= new Map()).set(channel, grant)
  }

  revoke (channel: string): boolean {
    return this.#grants?.delete(channel) === true
  }

  /** Sets the user: the same one with a fresh token, or another, for whom a new identity begins. */
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

  /** Resets a socket whose close frame would wait behind messages that the client does not read. */
  #cut (code: number, reason: string): void {
    this.#cutAs = { code, reason }
    this.#queue.destroy()
    this.#cleanUp()
  }

  /** Cleans up after the server has closed or cut the socket. */
  #cleanUp (): void {
    this.inbox.clear()
    this.identity.abort()
    this.#settings.onClosing(this)
  }

  /** Charges a ping or an unsolicited pong like a frame: a ping is answered with as many bytes, which the client need not read. */
  #chargeControlFrame (data: Buffer): void {
    if (this.isOpen && this.budget.pace(data.length, this.heardAt) !== null) this.refused()
  }
}
