import type { Test } from 'tap'
import type { Delivery, Engine, StreamPosition } from '../../lib/engine/engine.js'
import { inTime } from '../../lib/in-time.js'
import { ENGINE, KEPT, numberOf, publication, type BuildEngine } from '../fixtures/engine-suite.js'
import type { random } from '../fixtures/random.js'
import { nodesOf } from '../fixtures/redis-nodes.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { until } from '../fixtures/until.js'
import { Master } from './masters.js'
import { Reader } from './reader.js'

export type Chance = ReturnType<typeof random>

/** An accepted message: its publisher was told its position, or it was delivered. */
export interface Accepted { n: number, position: StreamPosition, begunAt: number }

interface Node { engine: Engine, proxy: TcpProxy }

const PREFIX = 'model'
const NODES = 3
const TOPICS = 3
const READERS = 6
const DEADLINE_MS = 20_000

/** Nodes on a Redis that goes back in time, and readers that come and go: none is ever told that nothing is missing where something is. */
export class World {
  readonly #t: Test
  readonly #masters: [Master, Master]
  readonly #nodes: Node[] = []
  #history = 0
  #waitsFor = ''
  #n = 0
  readonly #begun = new Map<number, number>()
  #readers: Reader[] = []
  #accepted = new Map<string, Accepted[]>()
  readonly counts = { recovered: 0, refused: 0, breaks: 0, rollbacks: 0, forks: 0 }

  private constructor (t: Test, masters: [Master, Master]) {
    this.#t = t
    this.#masters = masters
  }

  static async start (t: Test): Promise<World> {
    const world = new World(t, [await Master.start(t, PREFIX), await Master.start(t, PREFIX)])
    for (let at = 0; at < NODES; at++) await world.#add()
    return world
  }

  /** One history, with streams and readers of its own. Throws where a reader was told something wrong, or is not told anything. */
  async run (chance: Chance, steps: number): Promise<void> {
    await inTime(this.#run(chance, steps), DEADLINE_MS, () => { throw new Error(`still waiting: ${this.#waitsFor}`) })
  }

  async #run (chance: Chance, steps: number): Promise<void> {
    const topics = Array.from({ length: TOPICS }, (_, at) => `channel:${this.#history}-${at}`)
    this.#history++
    this.#accepted = new Map(topics.map((topic) => [topic, []]))
    this.#readers = Array.from({ length: READERS }, (_, at) => new Reader(topics[at % TOPICS]!))
    await this.#master.keep()
    for (let step = 0; step < steps; step++) {
      this.#waitsFor = `step ${step}`
      await this.#step(chance, topics)
    }
    await this.#end(topics)
  }

  get #master (): Master {
    return this.#masters[0]
  }

  async #step (chance: Chance, topics: string[]): Promise<void> {
    const at = chance.int(1_000)
    const node = chance.pick(this.#nodes)
    const reader = chance.pick(this.#readers)
    if (at < 400) await this.#publish(node, chance.pick(topics))
    else if (at < 650) await (reader.isThere ? reader.leave() : this.#enter(reader, node))
    else if (at < 800) await this.#master.keep()
    else if (at < 900) await this.#goBack()
    else if (at < 986) await this.#master.failOver()
    else if (at < 987) await this.#fork(chance, topics)
    else if (at < 989) await this.#replaceNode(chance)
    else for (const { proxy } of this.#nodes) proxy.cut()
  }

  async #goBack (): Promise<void> {
    this.counts.rollbacks++
    await this.#master.goBack()
  }

  async #publish ({ engine }: Node, topic: string): Promise<void> {
    const n = ++this.#n
    this.#begun.set(n, performance.now())
    try {
      const position = await engine.publish(publication(topic, { n }), KEPT)
      this.#note(topic, n, position!)
    } catch {
      // Nobody was told anything.
    }
  }

  #note (topic: string, n: number, position: StreamPosition): void {
    const all = this.#accepted.get(topic)
    if (all !== undefined && !all.some((accepted) => accepted.n === n)) all.push({ n, position, begunAt: this.#begun.get(n)! })
  }

  async #enter (reader: Reader, { engine }: Node): Promise<void> {
    try {
      const isRecovered = await reader.enter(engine, this.#accepted.get(reader.topic)!)
      if (isRecovered !== null) this.counts[isRecovered ? 'recovered' : 'refused']++
    } catch (error) {
      if ((error as { code?: string }).code !== 'WSM_ERR_UNAVAILABLE') throw error
    }
  }

  /** Another master takes the place of this one, which goes on for a while for nodes that do not know. */
  async #fork (chance: Chance, topics: string[]): Promise<void> {
    this.counts.forks++
    const [old, next] = this.#masters
    await next.replace(old)
    this.#masters.reverse()
    const moving = this.#nodes.filter((_, at) => at === 0 || chance.chance(0.5))
    for (const { proxy } of moving) proxy.retarget(next.port)
    for (let step = 0; step < 6; step++) await this.#publish(chance.pick(this.#nodes), chance.pick(topics))
    for (const node of this.#nodes) if (!moving.includes(node)) node.proxy.retarget(next.port)
    await this.#allReady()
  }

  async #replaceNode (chance: Chance): Promise<void> {
    const at = chance.int(this.#nodes.length)
    const [gone] = this.#nodes.splice(at, 1) as [Node]
    for (const reader of this.#readers) if (reader.engine === gone.engine) reader.leave()
    await gone.engine.close()
    await this.#add()
  }

  async #add (): Promise<void> {
    const proxy = await TcpProxy.start(this.#t, this.#master.port)
    const engine = await started(nodesOf(proxy.port, { prefix: PREFIX, commandTimeoutMs: 500, leaseMs: 3_000, checkMs: 100 }))
    this.#t.teardown(() => engine.close())
    engine.onDelivery((delivery) => this.#deliver(engine, delivery))
    engine.onBreak((topic, position) => {
      this.counts.breaks++
      for (const reader of this.#readersOf(engine, topic)) reader.break(position)
    })
    this.#nodes.push({ engine, proxy })
  }

  #deliver (engine: Engine, delivery: Delivery): void {
    const { topic, position } = delivery
    const readers = this.#readersOf(engine, topic)
    if (readers.length === 0) return
    this.#note(topic, numberOf(delivery), position!)
    for (const reader of readers) reader.receive(numberOf(delivery), position!)
  }

  #readersOf (engine: Engine, topic: string): Reader[] {
    return this.#readers.filter((reader) => reader.topic === topic && reader.listensTo(engine))
  }

  async #allReady (): Promise<void> {
    this.#waitsFor = 'all nodes to be ready'
    await until(() => this.#nodes.every(({ engine }) => engine.cluster.availability.status === 'ready'))
  }

  /** Everybody comes in, on every node something is published, and nobody may lack anything. */
  async #end (topics: string[]): Promise<void> {
    await this.#allReady()
    for (const topic of topics) {
      for (const node of this.#nodes) {
        const before = this.#accepted.get(topic)!.length
        this.#waitsFor = `node ${node.engine.cluster.nodeId} to publish`
        await until(async () => {
          await this.#publish(node, topic)
          return this.#accepted.get(topic)!.length > before
        })
      }
    }
    for (const [at, reader] of this.#readers.entries()) {
      const node = this.#nodes[at % this.#nodes.length]!
      this.#waitsFor = 'a reader to come in'
      if (!reader.isThere) {
        await until(async () => {
          await this.#enter(reader, node)
          return reader.isThere
        })
      }
    }
    for (const reader of this.#readers) {
      this.#waitsFor = `${reader.topic} of ${JSON.stringify(this.#accepted.get(reader.topic))}: ${JSON.stringify(reader)}`
      await until(() => reader.missing(this.#accepted.get(reader.topic)!).length === 0)
      reader.leave()
    }
    for (const { engine } of this.#nodes) for (const topic of topics) engine.unsubscribe(topic)
    await this.#master.forget(topics)
  }
}

/** A node starts again where Redis does not answer in time. */
async function started (build: BuildEngine): Promise<Engine> {
  for (;;) {
    try {
      return await build(ENGINE)
    } catch (error) {
      if ((error as { code?: string }).code !== 'WSM_ERR_UNAVAILABLE') throw error
    }
  }
}
