import type { FastifyBaseLogger } from 'fastify'
import { guardedAbort } from '../abort.js'
import type { User } from '../user.js'
import { logThrown } from '../thrown.js'

/** One REST request, from its head to the end of its response and its work. */
export class PendingRequest {
  /** The caller; null if anonymous or not identified yet. */
  user: User | null = null
  /** Holder of the slot that it occupies; null until identified, and if no slot is counted. */
  holder: string | null = null
  /** Time at which the caller was identified, milliseconds since 1970. */
  identifiedAt = 0
  /** True if its response can still be sent. */
  isOpen = true
  /** True if its work is in progress. */
  isWorking = false
  /** Number of revocations that this request itself awaits: two revocations awaiting each other's request would deadlock. */
  revoking = 0
  readonly #log: FastifyBaseLogger
  #isStopped = false
  #stop: AbortController | null = null
  #waiting: (() => void)[] = []
  #giveUp: ((error: Error) => void) | null = null

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /** Aborted when the caller hangs up or the token is revoked. Created on first use. */
  get signal (): AbortSignal {
    this.#stop ??= guardedAbort((thrown) => logThrown(this.#log, 'error', thrown, {}, 'an abort listener failed'))
    if (this.#isStopped) this.#stop.abort()
    return this.#stop.signal
  }

  /** @param at current time on the clock shared by all nodes */
  identified (user: User | null, holder: string | null, at: number): void {
    this.user = user
    this.holder = holder
    this.identifiedAt = at
  }

  stop (): void {
    this.#isStopped = true
    this.#stop?.abort()
  }

  /** Rejects when `giveUp` is called. */
  givenUp (): Promise<never> {
    return new Promise((_resolve, reject) => { this.#giveUp = reject })
  }

  /** Answers with an error, even if its work continues. Only while `givenUp()` is awaited. */
  giveUp (error: Error): void {
    this.#log.warn({ err: error }, 'gave up on a request: its handler did not finish in time')
    this.stop()
    this.#giveUp!(error)
  }

  /** Resolves once its work has ended or awaits a revocation. */
  idle (): Promise<void> {
    if (!this.isWorking || this.revoking > 0) return Promise.resolve()
    return new Promise((resolve) => { this.#waiting.push(resolve) })
  }

  /** Resolves every pending `idle()`. */
  settled (): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
