import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { RedisServer, type RedisServerOptions } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'
import { NodeProcess, type RedisAddress } from './node-process.js'

export interface NodesOptions {
  /** Options of the engine. */
  engine?: object
  /** Options of the plugin. */
  options?: object
  /** How far each node's clock is from the machine's: see `spawnNode`. */
  clocks?: readonly string[]
  /** The folder of the version that they run at first: see `NodeSettings`. */
  version?: string
}

export interface DeploymentOptions extends NodesOptions {
  redis?: RedisServerOptions
  /** What the last node takes for Redis. */
  redisPortOfLast?: (t: Test, port: number) => Promise<number>
}

/** When a node could do everything, and when it could not; `at` as of `Date.now()`. */
export interface ReadinessChange { at: number, isReady: boolean }

/** The readiness of a node; `status` is "gone" where it does not answer. */
export interface Readiness { isOpen: boolean, status: string, reasons: string[] }

const NODES = 3
const LOOK_MS = 50
const GONE: Readiness = { isOpen: false, status: 'gone', reasons: [] }

/** Three nodes on a Redis, each in a process of its own. They end with the test. */
export class Deployment {
  readonly nodes: readonly NodeProcess[]
  readonly #redis: RedisServer | null
  readonly #readiness: Readiness[]
  #isOver = false

  private constructor (redis: RedisServer | null, nodes: readonly NodeProcess[]) {
    this.#redis = redis
    this.nodes = nodes
    this.#readiness = nodes.map(() => GONE)
  }

  /** On a redis-server of their own. */
  static async start (t: Test, { redis = {}, redisPortOfLast, ...options }: DeploymentOptions = {}): Promise<Deployment> {
    const server = await RedisServer.start(t, redis)
    const portOfLast = await redisPortOfLast?.(t, server.port) ?? server.port
    return Deployment.#begin(t, server, (index) => ({ port: index === NODES - 1 ? portOfLast : server.port }), options)
  }

  /** On a Redis that is there, or several. */
  static async startOn (t: Test, address: RedisAddress, options: NodesOptions = {}): Promise<Deployment> {
    return Deployment.#begin(t, null, () => address, options)
  }

  static async #begin (t: Test, server: RedisServer | null, addressOf: (index: number) => RedisAddress,
    { engine = {}, options = {}, clocks = [], version }: NodesOptions): Promise<Deployment> {
    const nodes = Array.from({ length: NODES }, (_, index) => new NodeProcess({
      redis: addressOf(index), engine, options: { channels: { '*': { presence: true } }, ...options }, ...clocks[index] !== undefined && { clock: clocks[index] }, ...version !== undefined && { version }
    }))
    const deployment = new Deployment(server, nodes)
    // Registered last, so that it comes before the server's own end.
    t.teardown(() => deployment.#end())
    await Promise.all(nodes.map((node) => node.start()))
    nodes.forEach((_, index) => deployment.#watch(index))
    await deployment.allReady()
    return deployment
  }

  /** The nodes' own redis-server. */
  get redis (): RedisServer {
    if (this.#redis === null) throw new Error('The deployment has no redis-server of its own')
    return this.#redis
  }

  get origins (): string[] {
    return this.nodes.map(({ origin }) => origin)
  }

  /** Tells whether the node answers `GET /ws/ready` with success. */
  isReady (index: number): boolean {
    return this.#readiness[index]!.isOpen
  }

  /** The answer of the node to `GET /ws/ready`. */
  readiness (index: number): Readiness {
    return this.#readiness[index]!
  }

  /** How the readiness of each node has changed since then. */
  readinessSince (from: number): Promise<ReadinessChange[][]> {
    return Promise.all(this.nodes.map(async (node) =>
      (await node.command<ReadinessChange[]>('readiness')).filter(({ at }) => at >= from)))
  }

  /** Where a load balancer sends a new socket: to any node that says that it is ready. */
  get open (): string[] {
    const open = this.origins.filter((_, index) => this.isReady(index))
    return open.length === 0 ? this.origins : open
  }

  /** Resolves when each node can do everything. */
  allReady (): Promise<void> {
    const unready = () => [...this.#readiness.entries()].filter(([, { status }]) => status !== 'ready')
    return until(() => unready().length === 0, {
      missing: () => unready().map(([index, { status, reasons }]) => `node ${index} is ${[status, ...reasons].join(' ')}`).join(', ')
    })
  }

  /** All nodes end at once, as in a crash. */
  async killNodes (): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
  }

  async restartNodes (): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()))
  }

  /** Asks a node again and again, as a load balancer does. */
  async #watch (index: number): Promise<void> {
    while (!this.#isOver) {
      this.#readiness[index] = await fetch(`${this.nodes[index]!.origin}/ws/ready`, { signal: AbortSignal.timeout(1_000) })
        .then(async (response) => {
          const { status = 'gone', reasons = [] } = await response.json() as Partial<Readiness>
          return { isOpen: response.ok, status, reasons }
        })
        .catch(() => GONE)
      await setTimeout(LOOK_MS)
    }
  }

  async #end (): Promise<void> {
    this.#isOver = true
    await this.killNodes()
  }
}
