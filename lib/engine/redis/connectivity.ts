import { isAccessDenied, type FaultNames } from './access.js'
import type { Deadline } from './deadline.js'
import type { Health } from './health.js'
import type { Link } from './link.js'

/** Time until a lost connection is reported as an outage; most return immediately. */
const GRACE_MS = 1_000

/** A node's two connections, for commands and for messages. The node needs both; a lasting outage is reported to its health. */
export class Connectivity {
  readonly #commands: Link
  readonly #messages: Link
  readonly #health: Health
  readonly #names: FaultNames
  readonly #onOutage: () => void
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  /** @param onOutage called when an outage is reported, possibly more than once per outage */
  constructor (commands: Link, messages: Link, health: Health, names: FaultNames, onOutage: () => void) {
    this.#commands = commands
    this.#messages = messages
    this.#health = health
    this.#names = names
    this.#onOutage = onOutage
    for (const link of [commands, messages]) link.onFailure(() => this.update())
  }

  get isUp (): boolean {
    return this.#commands.isUp && this.#messages.isUp
  }

  /** See `Link.isDoubtful`. */
  get isDoubtful (): boolean {
    return this.#commands.isDoubtful || this.#messages.isDoubtful
  }

  /** @throws WSM_ERR_UNAVAILABLE if a connection is not up in time */
  async ready (deadline: Deadline): Promise<void> {
    await Promise.all([this.#commands.ready(deadline), this.#messages.ready(deadline)])
  }

  /** Re-evaluates after a connection has come up, ended or failed. */
  update (): void {
    if (this.isUp) {
      this.#endGrace()
      this.#health.report('connection', [])
    } else if (!this.#isClosed) {
      if (this.#health.current.status === 'unavailable') this.#reportOutage()
      this.#timer ??= setTimeout(() => this.#reportOutage(), GRACE_MS)
    }
  }

  close (): void {
    this.#isClosed = true
    this.#endGrace()
  }

  #endGrace (): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #reportOutage (): void {
    const error = this.#commands.failure ?? this.#messages.failure
    this.#health.report('connection', isAccessDenied(error) ? ['unreachable', 'access_denied'] : ['unreachable'], this.#names.describe(error))
    this.#onOutage()
  }
}
