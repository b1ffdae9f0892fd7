import { fileURLToPath } from 'node:url'
import { variantOf } from './comparison.mjs'
import { LineProcess } from './line-process.mjs'
import { OURS, commandOf, peers } from './peers/index.mjs'
import { cpuMicros } from './process-usage.mjs'
import { RedisServer } from './redis-server.mjs'
import { plans } from './shared/plans.mjs'

const SECRET = 'the secret of the benchmark has more than thirty-two characters'

/** The processes of one scenario: the load generator, and the peers. */
export class Bench {
  /** What the command line says: `rounds`, `seconds`, `isQuick`, `profileDirectory`, `against`. */
  options
  /** The builds of the product by the names that they have as peers: today's, and the one it is compared with. */
  #builds
  #generator
  #servers = new Map()
  #redis = new Map()

  constructor (options) {
    this.options = options
    const { against } = options
    this.#builds = new Map([[OURS, null], ...against === null ? [] : [[against.name, against.directory]]])
    this.#generator = new LineProcess('the load generator', process.execPath, [fileURLToPath(new URL('load/generator.mjs', import.meta.url))])
  }

  /** The names of the product's builds. */
  get builds () {
    return [...this.#builds.keys()]
  }

  /** Each variant of a scenario of the product alone, with each of its builds, by name. */
  variants (names) {
    return new Map(names.flatMap((variant) => this.builds.map((build) => [variantOf(variant, build), { variant, build }])))
  }

  /** By whose settings a peer runs: every build of the product by the product's. */
  kindOf (peer) {
    return this.#builds.has(peer) ? OURS : peer
  }

  /**
   * Starts a peer under a name, which is its own unless two of one peer run.
   *
   * @param {object} settings for the peer: `options` of the product, `compression` of `ws`
   */
  async start (peer, settings = {}, { key = peer, exposeGc = false } = {}) {
    const { profileDirectory } = this.options
    const nodeArguments = [
      ...exposeGc ? ['--expose-gc'] : [],
      ...peer === OURS && profileDirectory !== null ? ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`] : []
    ]
    const kind = this.kindOf(peer)
    const build = this.#builds.get(peer) ?? undefined
    const [command, args] = commandOf(kind, { secret: SECRET, build, ...settings }, nodeArguments)
    const server = new LineProcess(key, command, args)
    this.#servers.set(key, { server, kind })
    server.port = (await server.greeting()).port
    return server
  }

  /** A Redis of a peer's own: two builds of the product would be nodes of one cluster on it. */
  async startRedis (peer) {
    this.#redis.set(peer, await RedisServer.start())
    return this.#redis.get(peer)
  }

  redis (peer) {
    return this.#redis.get(peer)
  }

  async stopRedis (peer) {
    await this.#redis.get(peer).stop()
    this.#redis.delete(peer)
  }

  server (key) {
    return this.#servers.get(key).server
  }

  connect (key, options) {
    const { server, kind } = this.#servers.get(key)
    return this.#generator.request('connect', { group: key, dialect: peers[kind].dialect, port: server.port, secret: SECRET, ...options })
  }

  /** @throws Error where a socket had ended before */
  async disconnect (key) {
    const { losses } = await this.#generator.request('close', { group: key })
    if (losses.length > 0) throw new Error(`${key} lost ${losses.length} sockets: ${losses[0]}`)
  }

  /** One round of a plan: what was delivered, and what it cost the server. */
  async publish (key, { plan, ticks, sampleEvery }) {
    const server = this.server(key)
    await this.#generator.request('expect', { group: key, plan, ticks, sampleEvery })
    return this.#measured(server, async () => {
      const [{ tookMs }, delivered] = await Promise.all([
        server.request('publish', { plan, ticks }),
        this.#generator.request('delivered', { group: key })
      ])
      return { tookMs, ...delivered }
    })
  }

  /** One round of a plan that one node publishes and the sockets of another get: what it cost both, and Redis. */
  async publishAcross ({ sender, receiver, redis }, { plan, ticks, sampleEvery }) {
    await this.#generator.request('expect', { group: receiver, plan, ticks, sampleEvery })
    const pids = { senderMicros: this.server(sender).pid, receiverMicros: this.server(receiver).pid, redisMicros: redis.pid }
    const { result: [{ published }, delivered], used } = await withUsage(pids, () => Promise.all([
      this.server(sender).request('publish', { plan, ticks }),
      this.#generator.request('delivered', { group: receiver })
    ]))
    const { senderMicros, receiverMicros, redisMicros } = used
    return {
      ...delivered,
      senderMicros: senderMicros / published,
      receiverMicros: receiverMicros / delivered.delivered,
      redisMicros: redisMicros / published
    }
  }

  /** One round of questions that one node asks and the sockets of another answer. */
  async askAcross ({ sender, receiver }, options) {
    await this.#generator.request('answer', { group: receiver })
    const pids = { senderMicros: this.server(sender).pid, receiverMicros: this.server(receiver).pid }
    const { result: { asked, missed, tookMs, latency }, used } = await withUsage(pids, () => this.server(sender).request('ask', options))
    return {
      latency,
      perSecond: asked / tookMs * 1000,
      senderMicros: used.senderMicros / asked,
      receiverMicros: used.receiverMicros / asked,
      faults: { missed },
      isFaulty: missed > 0,
      losses: []
    }
  }

  /** One round of requests. */
  requests (key, options) {
    return this.#measured(this.server(key), () => this.#generator.request('requests', { group: key, ...options }))
  }

  /** One round of a plan while clients are dropped and come back, see `load/jitter.mjs`. */
  async jitter (key, { plan, ticks, ...options }) {
    const server = this.server(key)
    await this.#generator.request('expect', { group: key, plan, ticks })
    return this.#measured(server, async () => {
      const [{ tookMs }, delivered] = await Promise.all([
        server.request('publish', { plan, ticks }),
        this.#generator.request('jitter', { group: key, durationMs: ticks / plans[plan].ticksPerSecond * 1000, ...options })
      ])
      return { tookMs, ...delivered }
    })
  }

  async stop (key) {
    await this.server(key).stop()
    this.#servers.delete(key)
  }

  async close () {
    await Promise.all([...this.#servers.keys()].map((key) => this.stop(key)))
    await this.#generator.stop()
    await Promise.all([...this.#redis.keys()].map((peer) => this.stopRedis(peer)))
  }

  async #measured (server, work) {
    const before = cpuMicros(server.pid)
    const generatorBefore = cpuMicros(this.#generator.pid)
    const result = await work()
    const cpu = cpuMicros(server.pid) - before
    const generatorCpu = cpuMicros(this.#generator.pid) - generatorBefore
    return {
      ...result,
      cpuMicros: cpu / result.delivered,
      perSecond: result.delivered / result.tookMs * 1000,
      load: cpu / 1000 / result.tookMs,
      generatorLoad: generatorCpu / 1000 / result.tookMs
    }
  }
}

/** What processes spend on the CPU while something is done, in microseconds by their names. */
async function withUsage (pids, work) {
  const before = Object.entries(pids).map(([name, pid]) => [name, pid, cpuMicros(pid)])
  const result = await work()
  return { result, used: Object.fromEntries(before.map(([name, pid, micros]) => [name, cpuMicros(pid) - micros])) }
}
