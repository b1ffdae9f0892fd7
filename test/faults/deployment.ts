import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { RedisServer, type RedisServerOptions } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'
import { NodeProcess } from './node-process.js'

export interface DeploymentOptions {
  redis?: RedisServerOptions
  /** Options of the engine. */
  engine?: object
  /** Options of the plugin. */
  options?: object
  /** What the last node takes for Redis. */
  redisPortOfLast?: (t: Test, port: number) => Promise<number>
}

/** When a node could do everything, and when it could not; `at` as of `Date.now()`. */
export interface ReadinessChange { at: number, isReady: boolean }

const NODES = 3
const LOOK_MS = 50

/** Three nodes and their redis-server, each in a process of its own. They end with the test. */
export class Deployment {
  readonly redis: RedisServer
  readonly nodes: readonly NodeProcess[]
  readonly #ready: boolean[]
  #isOver = false

  private constructor (redis: RedisServer, nodes: readonly NodeProcess[]) {
    this.redis = redis
    this.nodes = nodes
    this.#ready = nodes.map(() => false)
  }

  static async start (t: Test, { redis = {}, engine = {}, options = {}, redisPortOfLast }: DeploymentOptions = {}): Promise<Deployment> {
    const server = await RedisServer.start(t, redis)
    const portOfLast = await redisPortOfLast?.(t, server.port) ?? server.port
    const nodes = Array.from({ length: NODES }, (_, index) =>
      new NodeProcess({ redisPort: index === NODES - 1 ? portOfLast : server.port, engine, options: { channels: { '*': { presence: true } }, ...options } }))
    const deployment = new Deployment(server, nodes)
    // Registered last, so that it comes before the server's own end.
    t.teardown(() => deployment.#end())
    await Promise.all(nodes.map((node) => node.start()))
    nodes.forEach((_, index) => deployment.#watch(index))
    await deployment.allReady()
    return deployment
  }

  get origins (): string[] {
    return this.nodes.map(({ origin }) => origin)
  }

  /** What the node answers to `GET /ws/ready`. */
  isReady (index: number): boolean {
    return this.#ready[index]!
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

  allReady (): Promise<void> {
    return until(() => this.nodes.every((_, index) => this.isReady(index)))
  }

  /** Asks a node again and again, as a load balancer does. */
  async #watch (index: number): Promise<void> {
    while (!this.#isOver) {
      this.#ready[index] = await fetch(`${this.nodes[index]!.origin}/ws/ready`, { signal: AbortSignal.timeout(1_000) })
        .then(async (response) => {
          await response.arrayBuffer()
          return response.ok
        }, () => false)
      await setTimeout(LOOK_MS)
    }
  }

  async #end (): Promise<void> {
    this.#isOver = true
    await Promise.all(this.nodes.map((node) => node.kill()))
  }
}
