import type { FastifyBaseLogger } from 'fastify'
import type { RedisCallStore } from './calls.js'
import { SETTLED_STREAM, type RedisConfirmationStore } from './confirmations.js'
import type { Keys } from './keys.js'
import type { Lane } from './lane.js'
import type { Lineage } from './lineage.js'
import type { RedisPresenceStore } from './presence.js'
import type { RedisRevocationStore } from './revocations.js'
import type { Streams } from './streams.js'

/** Time to collect further lanes of a server that went back, before everything of this node in them is restored. */
const COLLECT_MS = 50

/** Stores that are restored from what this node knows, each with the name of its contents for the log. */
const RESTORED = { confirmations: 'questions', calls: 'calls with an idempotency key' } as const

/** Parts of a node that an outage or rollback of Redis puts in doubt. */
export interface RecoveryParts {
  keys: Keys
  lineage: Lineage
  streams: Streams
  presence: RedisPresenceStore
  confirmations: RedisConfirmationStore
  revocations: RedisRevocationStore
  calls: RedisCallStore
}

/** Reconciles this node with Redis after an outage or rollback. Failures are retried with the next renewal of the lease. */
export class Recovery {
  readonly #parts: RecoveryParts
  readonly #log: FastifyBaseLogger
  /** True if this node may have missed ends of questions. */
  #hasMissedEnds = false
  /** Stores of which Redis may have lost what this node knows. */
  readonly #lost = new Set<keyof typeof RESTORED>()
  #timer: NodeJS.Timeout | null = null

  constructor (parts: RecoveryParts, log: FastifyBaseLogger) {
    this.#parts = parts
    this.#log = log
  }

  /** Messages may have been lost on these channels, which are subscribed to again. */
  resubscribed (channels: readonly string[]): void {
    const { keys, streams, presence, revocations } = this.#parts
    const topics = new Set(channels.map((channel) => keys.topicOf(channel)))
    streams.checkThese(topics)
    presence.check(topics)
    revocations.refresh()
  }

  /** This node's lease was renewed. Forgotten: Redis no longer knew it. */
  renewed (isForgotten: boolean): void {
    const { lineage, streams, presence, revocations } = this.#parts
    lineage.examineAll()
    presence.restore(false)
    if (this.#hasMissedEnds) this.#catchUp()
    this.#restoreLost()
    if (isForgotten) {
      streams.checkAll()
      revocations.mayHaveMissed()
    }
    revocations.refresh()
  }

  /** Redis may have lost writes in this lane. */
  wentBack (lane: Lane): void {
    const { keys, streams, presence, revocations } = this.#parts
    streams.checkLane(lane)
    revocations.mayHaveMissed()
    if (lane.key === keys.lane(SETTLED_STREAM)) this.#lost.add('confirmations')
    this.#lost.add('calls')
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      presence.restoreLost()
      presence.checkAll()
      revocations.refresh()
      this.#restoreLost()
    }, COLLECT_MS)
  }

  /** The stream of ended questions has a gap. */
  missedEnds (): void {
    this.#hasMissedEnds = true
    this.#catchUp()
  }

  close (): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #catchUp (): Promise<void> {
    try {
      await this.#parts.confirmations.catchUp()
      this.#hasMissedEnds = false
    } catch (error) {
      this.#log.warn({ err: error }, 'could not re-read ended questions yet; will retry')
    }
  }

  #restoreLost (): void {
    for (const store of this.#lost) this.#restore(store)
  }

  async #restore (store: keyof typeof RESTORED): Promise<void> {
    this.#lost.delete(store)
    try {
      await this.#parts[store].restore()
    } catch (error) {
      this.#lost.add(store)
      this.#log.warn({ err: error }, `could not yet restore ${RESTORED[store]} that Redis has lost; will retry`)
    }
  }
}
