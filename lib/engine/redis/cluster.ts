import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Cluster, ClusterAnswers } from '../engine.js'
import type { RedisClock } from './clock.js'
import type { Commands } from './commands.js'
import { Deadline } from './deadline.js'
import type { Keys } from './keys.js'
import * as scripts from './node-scripts.js'
import { decodeAnswer, decodeQuestion, encode, type Answer, type Question } from './wire.js'

export interface ClusterEvents {
  /** This node's lease is renewed. Forgotten: Redis did not know of it any more, or for the first time. */
  onRenewed: (isForgotten: boolean) => void
  /** Another node's lease is over. */
  onDead: (nodeId: string) => Promise<void>
}

/** How often a node that starts looks at Redis's clock, besides its first lease. */
const LOOKS = 2

interface Asked { answers: Map<string, Answer>, onAnswer: () => void }

/** The nodes that share one Redis, each with a lease. */
export class RedisCluster implements Cluster {
  readonly nodeId = randomUUID()
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #clock: RedisClock
  readonly #lives: { leaseMs: number, presenceTtlMs: number }
  readonly #events: ClusterEvents
  readonly #log: FastifyBaseLogger
  readonly #asked = new Map<string, Asked>()
  readonly #listeners = new Map<string, (data: unknown) => unknown>()
  #readinessListener: (isReady: boolean) => void = () => {}
  #isReady = false
  #isClosed = false
  /** Until when the other nodes know of this one at the least, on the clock of `performance.now()`. */
  #leasedUntil = 0
  /** Until when others may have no lease although they are there, same clock: Redis has lost this node's, perhaps all. */
  #uncertainUntil = 0
  #timer: NodeJS.Timeout | null = null

  constructor (commands: Commands, keys: Keys, clock: RedisClock, lives: { leaseMs: number, presenceTtlMs: number }, events: ClusterEvents, log: FastifyBaseLogger) {
    this.#commands = commands
    this.#keys = keys
    this.#clock = clock
    this.#lives = lives
    this.#events = events
    this.#log = log
  }

  get isReady (): boolean {
    return this.#isReady
  }

  /** Whether the other nodes know of this one: also a process that was stopped for a while finds that they may not. */
  get isLeased (): boolean {
    return performance.now() < this.#leasedUntil && !this.#isClosed
  }

  onReadiness (listener: (isReady: boolean) => void): void {
    this.#readinessListener = listener
  }

  setReady (isReady: boolean): void {
    if (isReady === this.#isReady || this.#isClosed) return
    this.#isReady = isReady
    this.#readinessListener(isReady)
  }

  async ask (kind: string, data: unknown, timeoutMs: number): Promise<ClusterAnswers> {
    const deadline = new Deadline(timeoutMs)
    const id = randomUUID()
    const answers = new Map<string, Answer>()
    const answered: ClusterAnswers['answers'] = []
    let expected: string[] | null = null
    let isCertain = false
    try {
      const complete = new Promise<void>((resolve) => {
        const onAnswer = () => { if (expected?.every((node) => answers.has(node)) === true) resolve() }
        this.#asked.set(id, { answers, onAnswer })
      })
      const question: Question = { id, from: this.nodeId, kind, data: data ?? null }
      const nodes = await deadline.race(this.#commands.run(scripts.nodes, [this.#keys.leases], [])) as string[]
      expected = nodes.filter((node) => node !== this.nodeId)
      isCertain = nodes.includes(this.nodeId) && performance.now() >= this.#uncertainUntil
      if (expected.length > 0 || !isCertain) await deadline.race(this.#commands.call('publish', this.#keys.questions, encode(question)))
      if (expected.length > 0) await deadline.race(complete)
    } catch (error) {
      this.#log.debug({ err: error, kind }, 'not every node has answered')
    } finally {
      this.#asked.delete(id)
    }
    for (const [node_id, { ok, data }] of answers) if (ok) answered.push({ node_id, data })
    return { answers: answered, missing: isCertain ? expected!.filter((node) => answers.get(node)?.ok !== true) : null }
  }

  onAsk (kind: string, listener: (data: unknown) => unknown): void {
    this.#listeners.set(kind, listener)
  }

  /** What came on a channel between nodes; false: it is not for this, or nothing that a node says. */
  receive (channel: string, payload: string): boolean {
    if (channel === this.#keys.answers(this.nodeId)) {
      const answer = decodeAnswer(payload)
      if (answer === null) return false
      const asked = this.#asked.get(answer.id)
      asked?.answers.set(answer.from, answer)
      asked?.onAnswer()
      return true
    }
    const question = decodeQuestion(payload)
    if (question === null) return false
    if (question.from !== this.nodeId) this.#answer(question)
    return true
  }

  /** Renews the lease now and from now on. */
  async renew (): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const { leaseMs, presenceTtlMs } = this.#lives
    const keys = [this.#keys.leases, this.#keys.channelsOf(this.nodeId)]
    const askedAt = performance.now()
    const leasedUntil = askedAt + leaseMs
    try {
      const [had, dead, time] = await this.#commands.run(scripts.renew, keys, [this.nodeId, leaseMs, presenceTtlMs]) as [number, string[], string]
      this.#clock.measured(Number(time) / 1_000, askedAt, performance.now())
      if (!this.#isClosed) {
        // The first time there is none to lose.
        if (had === 0 && this.#leasedUntil !== 0) this.#uncertainUntil = performance.now() + leaseMs
        this.#leasedUntil = leasedUntil
        this.#events.onRenewed(had === 0)
        await Promise.all(dead.map((node) => this.#events.onDead(node)))
      }
    } catch (error) {
      this.#log.debug({ err: error }, 'the lease of this node could not be renewed')
    }
    if (this.#isClosed || this.#timer !== null) return
    this.#timer = setTimeout(() => this.renew(), leaseMs / 3)
  }

  /**
   * Looks at Redis's clock a few times: the quickest answer says most.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  async setClock (): Promise<void> {
    for (let n = 0; n < LOOKS; n++) {
      const askedAt = performance.now()
      const time = await this.#commands.run(scripts.time, [this.#keys.leases], []) as string
      this.#clock.measured(Number(time) / 1_000, askedAt, performance.now())
    }
  }

  /** Ends the lease. */
  close (): void {
    this.#isClosed = true
    this.#isReady = false
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #answer ({ id, from, kind, data }: Question): Promise<void> {
    const answer: Answer = { id, from: this.nodeId, ok: false, data: null }
    try {
      const listener = this.#listeners.get(kind)
      if (listener !== undefined) {
        answer.data = await listener(data) ?? null
        answer.ok = true
      }
    } catch (error) {
      this.#log.error({ err: error, kind }, 'what another node asked could not be answered')
    }
    try {
      await this.#commands.call('publish', this.#keys.answers(from), encode(answer))
    } catch (error) {
      this.#log.debug({ err: error, kind }, 'another node could not be answered')
    }
  }
}
