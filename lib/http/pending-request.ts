import type { FastifyBaseLogger } from 'fastify'
import { guardedAbort } from '../abort.js'
import type { User } from '../user.js'
import { logThrown } from '../thrown.js'

/** One REST request, from its head to the end of its answer and of what it asked for. */
export class PendingRequest {
  /** The caller; null until identified, and where it is nobody. */
  user: User | null = null
  /** The holder of the place that it takes; null until identified, and where no place is counted. */
  holder: string | null = null
  /** When the caller was identified, milliseconds since 1970. */
  identifiedAt = 0
  /** Whether its answer can still be sent. */
  isOpen = true
  /** True while its work is in progress. */
  isWorking = false
  /** Number of revocations that this request itself awaits: two that waited for each other's request would deadlock. */
  revoking = 0
  readonly #log: FastifyBaseLogger
  #isStopped = false
  #stop: AbortController | null = null
  #waiting: (() => void)[] = []
  #giveUp: ((error: Error) => void) | null = null

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /** Fires when the caller has hung up, or the token is revoked. Made when first asked for. */
  get signal (): AbortSignal {
    this.#stop ??= guardedAbort((thrown) => logThrown(this.#log, 'error', thrown, {}, 'an abort listener failed'))
    if (this.#isStopped) this.#stop.abort()
    return this.#stop.signal
  }

  /** @param at this moment, on the clock that all nodes share */
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

  /** Answers with an error, whatever its work still does. Only while `givenUp()` is awaited. */
  giveUp (error: Error): void {
    this.#log.warn({ err: error }, 'a request was given up: its work has not ended in time')
    this.stop()
    this.#giveUp!(error)
  }

  /** Resolves when its work has ended, or awaits a revocation. */
  idle (): Promise<void> {
    if (!this.isWorking || this.revoking > 0) return Promise.resolve()
    return new Promise((resolve) => { this.#waiting.push(resolve) })
  }

  /** Resolves every pending `idle()`. */
  settled (): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
