import type { FastifyBaseLogger } from 'fastify'
import { isLasting } from './access.js'
import type { ClientFactory, RedisClient } from './client.js'
import { isReply } from './error-replies.js'
import { Deadline, unavailable } from './deadline.js'

export interface LinkEvents {
  /** Runs on every new connection before it is used; if it fails, another connection is made. */
  onConnect: (client: RedisClient) => Promise<void>
  /** The connection is usable. */
  onUp: () => void
  onDown: () => void
}

const PING_MS = 1_000
/** Fraction of the time-out after which the next ping is sent, and after which a server counts as silent. */
const SILENCE = 0.5
const FIRST_RETRY_MS = 20
const MAX_RETRY_MS = 1_000

/** One connection to Redis, replaced when it breaks or falls silent. */
export class Link {
  readonly #factory: ClientFactory
  readonly #events: LinkEvents
  readonly #timeoutMs: number
  readonly #log: FastifyBaseLogger
  /** The current client, connected or connecting. */
  #client: RedisClient | null = null
  #isUp = false
  #isClosed = false
  #failures = 0
  /** Reason for the missing connection, as far as known. */
  #failure: unknown = null
  #onFailure: () => void = () => {}
  #retryTimer: NodeJS.Timeout | null = null
  #pingTimer: NodeJS.Timeout | null = null
  #waiting = new Set<() => void>()
  /** Time at which the pending ping was sent, by `performance.now()`. */
  #pingedAt = Infinity
  /** Time until which other nodes may lack their connections, same clock. */
  #doubtfulUntil = -Infinity

  constructor (factory: ClientFactory, timeoutMs: number, log: FastifyBaseLogger, events: LinkEvents) {
    this.#factory = factory
    this.#timeoutMs = timeoutMs
    this.#log = log
    this.#events = events
  }

  get isUp (): boolean {
    return this.#isUp
  }

  /**
   * True if other nodes may lack their connections: the server is, or was, silent long enough for them to give up, or this
   * connection was lost. They need no longer than that to reconnect.
   */
  get isDoubtful (): boolean {
    const now = performance.now()
    return now < this.#doubtfulUntil || now - this.#pingedAt >= this.#timeoutMs * SILENCE
  }

  /** Reason for the missing connection; null: there is one, or none was tried. */
  get failure (): unknown {
    return this.#failure
  }

  /** Sets the single listener for failed connection attempts. */
  onFailure (listener: () => void): void {
    this.#onFailure = listener
  }

  /** Returns true for the current client, connected or connecting. */
  isCurrent (client: RedisClient): boolean {
    return this.#client === client
  }

  open (): void {
    this.#connect().catch((error) => this.#log.error({ err: error }, 'could not create a Redis connection'))
  }

  /** @throws WSM_ERR_UNAVAILABLE if there is no connection in time */
  async ready (deadline: Deadline): Promise<RedisClient> {
    while (!this.#isUp) await this.#changed(deadline)
    return this.#client!
  }

  /**
   * Does the same for the first connection, but rejects at once for a lasting fault, such as a wrong password.
   *
   * @throws WSM_ERR_UNAVAILABLE with the reason as its cause
   */
  async opened (deadline: Deadline): Promise<RedisClient> {
    while (!this.#isUp) {
      if (isLasting(this.#failure)) throw unavailable('it refuses the connection', this.#failure)
      await this.#changed(deadline)
    }
    return this.#client!
  }

  /** Drops an unusable connection and makes another one. The cause is kept until then. */
  drop (client: RedisClient, cause: unknown): void {
    if (this.#client !== client) return
    const wasUp = this.#isUp
    this.#client = null
    this.#isUp = false
    this.#failure = cause
    this.#pingedAt = Infinity
    if (wasUp) this.#doubtfulUntil = Infinity
    if (this.#pingTimer !== null) clearTimeout(this.#pingTimer)
    client.disconnect()
    if (wasUp) this.#events.onDown()
    if (this.#isClosed) return
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, MAX_RETRY_MS)
    this.#retryTimer = setTimeout(() => this.open(), delayMs * (0.5 + Math.random() / 2))
  }

  /** Idempotent. */
  close (): void {
    this.#isClosed = true
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer)
    if (this.#client !== null) this.drop(this.#client, null)
    this.#wake()
  }

  async #connect (): Promise<void> {
    const client = this.#factory.create()
    this.#client = client
    let fault: Error | null = null
    client.on('error', (error: Error) => {
      fault ??= error
      this.#log.debug({ err: error }, 'a Redis connection failed')
    })
    client.on('end', () => this.drop(client, fault ?? new Error('the connection was closed')))
    const deadline = new Deadline(this.#timeoutMs)
    try {
      await deadline.race(client.connect())
      // If ioredis may not select the database, it would continue in database 0.
      if (isReply(fault)) throw fault
      await this.#events.onConnect(client)
    } catch (error) {
      // ioredis usually rejects with "connection is closed"; the first error event has the cause.
      const cause = fault ?? error
      this.#log.debug({ err: cause }, 'could not connect to Redis')
      this.drop(client, cause)
      this.#wake()
      this.#onFailure()
      return
    }
    if (this.#client !== client) return
    this.#failures = 0
    this.#failure = null
    this.#isUp = true
    if (this.#doubtfulUntil === Infinity) this.#doubt()
    this.#schedulePing(client)
    this.#wake()
    this.#events.onUp()
  }

  /** Pings: a stopped server, or a network that drops all packets, closes no connection. */
  #schedulePing (client: RedisClient): void {
    this.#pingTimer = setTimeout(async () => {
      this.#pingedAt = performance.now()
      try {
        // A refusal also shows that the server answers.
        await new Deadline(this.#timeoutMs).race(client.call('ping').catch((error) => { if (!isReply(error)) throw error }))
        if (this.#client !== client) return
        if (performance.now() - this.#pingedAt >= this.#timeoutMs * SILENCE) this.#doubt()
        this.#pingedAt = Infinity
        // A partitioned old master never redirects, so each ping also reloads the slot map.
        client.refreshSlotsCache?.()
        this.#schedulePing(client)
      } catch (error) {
        this.#log.debug({ err: error }, 'a Redis connection does not answer')
        this.drop(client, error)
      }
    }, Math.min(PING_MS, this.#timeoutMs * SILENCE))
  }

  #doubt (): void {
    this.#doubtfulUntil = performance.now() + MAX_RETRY_MS + this.#timeoutMs
  }

  async #changed (deadline: Deadline): Promise<void> {
    if (this.#isClosed) throw unavailable('the engine is closed')
    let wake!: () => void
    const changed = new Promise<void>((resolve) => { wake = resolve })
    this.#waiting.add(wake)
    try {
      await deadline.race(changed)
    } catch (error) {
      throw this.#failure === null ? error : unavailable('there is no connection', this.#failure)
    } finally {
      this.#waiting.delete(wake)
    }
  }

  #wake (): void {
    for (const wake of this.#waiting) wake()
  }
}
