import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Availability, Cluster, ClusterAnswers } from '../engine.js'
import type { RedisClock } from './clock.js'
import type { Commands } from './commands.js'
import { Deadline } from './deadline.js'
import { Health } from './health.js'
import type { Keys } from './keys.js'
import { Layouts } from './layouts.js'
import * as scripts from './node-scripts.js'
import { Peers } from './peers.js'
import { decodeRequest, decodeResponse, encode, LAYOUT, type ClusterRequest, type ClusterResponse } from './wire.js'

/** A node that was declared dead. @property term its next term, should it return */
export interface DeadNode { nodeId: string, term: number }

export interface ClusterEvents {
  /** This node's lease was renewed. Forgotten: the lease had expired, Redis no longer knew it, or this is the first one. */
  onRenewed: (isForgotten: boolean) => void
  /** A node is dead, and this node must remove it. */
  onDead: (dead: DeadNode) => Promise<void>
}

type Renewed = [had: number, term: number, removals: [nodeId: string, term: number][], leased: string[], time: string, lowest: number]

/** Number of clock readings of a starting node, besides that of its first lease. */
const CLOCK_READINGS = 2

export interface ClusterLifetimes { leaseMs: number, presenceTtlMs: number, positionTtlMs: number }

/** Nodes with a lease. @property isCertain false if Redis may have lost leases of others */
export interface Leases { nodes: string[], isCertain: boolean }

/** A request of this node that waits for responses. */
interface PendingRequest { responses: Map<string, ClusterResponse>, onResponse: () => void }

/** The nodes that share one Redis, each with a lease. */
export class RedisCluster implements Cluster {
  readonly nodeId = randomUUID()
  readonly peers: Peers
  /** Combines reported faults into the availability of this node. */
  readonly health: Health
  readonly layouts: Layouts
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #clock: RedisClock
  readonly #lifetimes: ClusterLifetimes
  readonly #events: ClusterEvents
  readonly #log: FastifyBaseLogger
  readonly #pending = new Map<string, PendingRequest>()
  readonly #listeners = new Map<string, (data: unknown) => unknown>()
  /** Number of times that the other nodes may have declared this one dead. */
  #term = 0
  #isClosed = false
  /** Time until which other nodes certainly know this one, by `performance.now()`. */
  #leasedUntil = 0
  /** Time until which live nodes may lack a lease, same clock: Redis has lost this node's lease, perhaps all. */
  #uncertainUntil = 0
  #timer: NodeJS.Timeout | null = null

  /** @param lifetimes lease duration, retention of presence, and time for which the sightings of a dead node matter */
  constructor (commands: Commands, keys: Keys, clock: RedisClock, lifetimes: ClusterLifetimes, events: ClusterEvents, log: FastifyBaseLogger) {
    this.peers = new Peers(this.nodeId, lifetimes.positionTtlMs)
    this.#commands = commands
    this.#keys = keys
    this.#clock = clock
    this.#lifetimes = lifetimes
    this.#events = events
    this.#log = log
    this.health = new Health(log)
    this.layouts = new Layouts(log)
  }

  get term (): number {
    return this.#term
  }

  get availability (): Availability {
    return this.health.current
  }

  /** True if other nodes know this one; a process that was suspended finds that they may not. */
  get isLeased (): boolean {
    return performance.now() < this.#leasedUntil && !this.#isClosed
  }

  onAvailability (listener: (availability: Availability) => void): void {
    this.health.onChange(listener)
  }

  async ask (kind: string, data: unknown, timeoutMs: number): Promise<ClusterAnswers> {
    let isCertain = false
    const { answers, missing } = await this.#ask(kind, data, timeoutMs, async () => {
      const leases = await this.leases()
      const others = leases.nodes.filter((node) => node !== this.nodeId)
      isCertain = leases.isCertain
      return { expected: others, isForNobody: others.length === 0 && isCertain }
    })
    return { answers, missing: isCertain ? missing : null }
  }

  /**
   * Reads the nodes with a lease.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  async leases (): Promise<Leases> {
    const nodes = await this.#commands.run(scripts.nodes, [this.#keys.leases], []) as string[]
    return { nodes, isCertain: nodes.includes(this.nodeId) && performance.now() >= this.#uncertainUntil }
  }

  /** Asks the nodes known to this one, whatever Redis says about them; others may answer, too. */
  async askPeers (kind: string, data: unknown, timeoutMs: number): Promise<ClusterAnswers['answers']> {
    const { answers } = await this.#ask(kind, data, timeoutMs, async () => ({ expected: [...this.peers.alive], isForNobody: false }))
    return answers
  }

  onAsk (kind: string, listener: (data: unknown) => unknown): void {
    this.#listeners.set(kind, listener)
  }

  /** Receives a message on a channel between nodes; false: no node sends such a message. */
  receive (channel: string, payload: string): boolean {
    if (channel === this.#keys.responses(this.nodeId)) {
      const response = decodeResponse(payload)
      if (response === null) return false
      this.peers.heard(response.from)
      this.layouts.heard(response.layout)
      const pending = this.#pending.get(response.id)
      pending?.responses.set(response.from, response)
      pending?.onResponse()
      return true
    }
    const request = decodeRequest(payload)
    if (request === null) return false
    this.peers.heard(request.from)
    this.layouts.heard(request.layout)
    if (request.from !== this.nodeId) this.#respond(request)
    return true
  }

  /** Renews the lease now and periodically. */
  async renew (): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const { leaseMs, presenceTtlMs } = this.#lifetimes
    const { leases, terms, dead, layouts } = this.#keys
    const keys = [leases, terms, dead, layouts, this.#keys.channelsOf(this.nodeId)]
    const askedAt = performance.now()
    const leasedUntil = askedAt + leaseMs
    // If this node had no lease, the others had the same trouble, and need a moment to return.
    const mayDeclare = askedAt >= this.#uncertainUntil ? 1 : 0
    this.peers.renewing()
    try {
      const args = [this.nodeId, this.#term, leaseMs, presenceTtlMs, mayDeclare, LAYOUT]
      const [had, term, removals, leased, time, lowest] = await this.#commands.run(scripts.renew, keys, args) as Renewed
      this.#clock.measured(Number(time) / 1_000, askedAt, performance.now())
      if (!this.#isClosed) {
        // The first renewal has no lease to lose.
        if (had === 0 && this.#leasedUntil !== 0) this.#uncertainUntil = performance.now() + leaseMs
        this.#leasedUntil = leasedUntil
        const isCertain = performance.now() >= this.#uncertainUntil
        this.peers.renewed(leased, isCertain)
        this.layouts.renewed(lowest, isCertain)
        const isForgotten = had === 0 || term !== this.#term
        this.#term = Math.max(this.#term, term)
        this.#events.onRenewed(isForgotten)
        for (const [nodeId, term] of removals) this.#removeDead({ nodeId, term })
      }
    } catch (error) {
      this.#log.debug({ err: error }, 'could not renew the lease of this node')
    }
    if (this.#isClosed || this.#timer !== null) return
    this.#timer = setTimeout(() => this.renew(), leaseMs / 3)
  }

  /**
   * Ends this node's term, so the others need not wait for its lease to expire.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  async leave (): Promise<DeadNode> {
    const { leases, terms, dead } = this.#keys
    const { leaseMs, presenceTtlMs } = this.#lifetimes
    const term = await this.#commands.run(scripts.leave, [leases, terms, dead], [this.nodeId, this.#term, leaseMs, presenceTtlMs]) as number
    return { nodeId: this.nodeId, term }
  }

  /**
   * Reads Redis's clock a few times: the fastest round trip is the most accurate.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  async setClock (): Promise<void> {
    for (let n = 0; n < CLOCK_READINGS; n++) {
      const askedAt = performance.now()
      const time = await this.#commands.run(scripts.time, [this.#keys.leases], []) as string
      this.#clock.measured(Number(time) / 1_000, askedAt, performance.now())
    }
  }

  /** Stops renewing the lease. */
  close (): void {
    this.#isClosed = true
    this.health.close()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** Removes a dead node; renewals do not wait for it. If that fails, the next node to renew its lease is told to do it. */
  async #removeDead (dead: DeadNode): Promise<void> {
    try {
      await this.#events.onDead(dead)
    } catch (error) {
      this.#log.debug({ err: error, node_id: dead.nodeId }, 'could not remove a dead node from all channels yet; will retry')
    }
  }

  /** @param expect returns the nodes that must respond */
  async #ask (kind: string, data: unknown, timeoutMs: number, expect: () => Promise<{ expected: string[], isForNobody: boolean }>) {
    const deadline = new Deadline(timeoutMs)
    const id = randomUUID()
    const received = new Map<string, ClusterResponse>()
    let waitedFor: string[] | null = null
    try {
      const complete = new Promise<void>((resolve) => {
        const onResponse = () => { if (waitedFor?.every((node) => received.has(node)) === true) resolve() }
        this.#pending.set(id, { responses: received, onResponse })
      })
      const request: ClusterRequest = { layout: LAYOUT, id, from: this.nodeId, kind, data: data ?? null }
      const { expected, isForNobody } = await deadline.race(expect())
      waitedFor = expected
      if (!isForNobody) await deadline.race(this.#commands.call('publish', this.#keys.requests, encode(request)))
      if (expected.length > 0) await deadline.race(complete)
    } catch (error) {
      this.#log.debug({ err: error, kind }, 'not every node has responded')
    } finally {
      this.#pending.delete(id)
    }
    const answers: ClusterAnswers['answers'] = []
    for (const [node_id, { ok, data }] of received) if (ok) answers.push({ node_id, data })
    return { answers, missing: waitedFor?.filter((node) => received.get(node)?.ok !== true) ?? null }
  }

  async #respond ({ id, from, kind, data }: ClusterRequest): Promise<void> {
    const response: ClusterResponse = { layout: LAYOUT, id, from: this.nodeId, ok: false, data: null }
    try {
      const listener = this.#listeners.get(kind)
      if (listener !== undefined) {
        response.data = await listener(data) ?? null
        response.ok = true
      }
    } catch (error) {
      this.#log.error({ err: error, kind }, 'a request of another node failed')
    }
    try {
      await this.#commands.call('publish', this.#keys.responses(from), encode(response))
    } catch (error) {
      this.#log.debug({ err: error, kind }, 'a response to another node could not be sent')
    }
  }
}
