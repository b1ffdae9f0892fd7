import { setTimeout as sleep } from 'node:timers/promises'
import { Checker, type Published } from '../fixtures/checker.js'
import { callOf, Producers, type Call, type Publish, type PublishOptions } from '../fixtures/producers.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'
import type { Report } from '../fixtures/report.js'
import type { WellBehavedClient } from '../fixtures/well-behaved-client.js'
import { Crowd, type Returns } from './crowd.js'
import type { Deployment } from './deployment.js'
import { wrongPresence } from './wrong-presence.js'

export interface LoadSettings {
  sockets: number
  /** Publications per second. */
  rate: number
  /** Where clients connect that want to reach a node; by default the node itself. */
  via?: (origin: string) => string
}

/** A publication; `at` as of `performance.now()`. `error` is its code, or "gone" with the node. */
export interface Timed { node: number, at: number, ms: number, error: string | null }

export interface LoadReport extends Report, Returns {
  /** The longest that a publication or a request took in any of the nodes, milliseconds. */
  slowestMs: number
  /** How late the timers of any of the nodes were at the worst, milliseconds. */
  delayMs: number
  /** Publications that failed with WSM_ERR_UNAVAILABLE. */
  refused: number
  /** How many lists of presence were wrong for good, each of a channel by a node. */
  wrongPresence: number
}

const SOCKETS_PER_USER = 3
const SOCKETS_PER_CHANNEL = 5
/** How many sockets a publication to everybody may cost, for each one to a user or a channel. */
const BROADCASTS_PER_SOCKET = 6
const PACE_MS = 10
const GIVE_UP_MS = 10_000
/** How long presence may be wrong at the end of a run. */
const PRESENCE_MS = 45_000
const MAX_EXAMPLES = 5

/**
 * What goes on while there are faults: clients that come back by themselves to any node that is ready, and publications by each
 * of the nodes in turn, at a steady rate whatever becomes of them.
 */
export class Load {
  readonly checker = new Checker()
  readonly calls: Timed[] = []
  readonly crowd: Crowd
  readonly #deployment: Deployment
  readonly #settings: LoadSettings
  readonly #producers: Producers
  readonly #users: number
  readonly #channels: number
  readonly #published: Published[] = []
  readonly #inFlight = new Set<Promise<unknown>>()
  /** The numbers of the producers that have a publication under way, by topic: each has one at a time. */
  readonly #busy = new Map<string, Set<number>>()
  #pacing: Promise<void> | null = null
  #isOver = false

  constructor (deployment: Deployment, settings: LoadSettings) {
    const { via = (origin) => origin } = settings
    this.#deployment = deployment
    this.#settings = settings
    this.#users = Math.ceil(settings.sockets / SOCKETS_PER_USER)
    this.#channels = Math.ceil(settings.sockets / SOCKETS_PER_CHANNEL)
    this.#producers = new Producers(this.checker, (...args) => this.#anyNode(...args))
    this.crowd = new Crowd({
      sockets: settings.sockets,
      users: this.#users,
      channels: this.#channels,
      checker: this.checker,
      origin: () => {
        const { open } = deployment
        return via(open[Math.floor(Math.random() * open.length)]!)
      }
    })
  }

  /** Resolves when every client is where it wants to be; publications have begun. */
  async start (): Promise<void> {
    this.crowd.connect()
    await this.crowd.entered()
    // What it takes to begin is not what is looked at.
    await Promise.all(this.#deployment.nodes.map((node) => node.command('forget')))
    this.#pacing = this.#pace()
  }

  get clients (): readonly WellBehavedClient[] {
    return this.crowd.clients
  }

  /** When each client was told to come back, milliseconds from then. */
  get toldToReturn (): number[] {
    return this.crowd.toldToReturn
  }

  /** Sockets that the clients have opened. */
  get opened (): number {
    return this.crowd.count('opened')
  }

  /** How often a client was told that messages may be missing. */
  get announcements (): number {
    return this.crowd.count('gap')
  }

  /** What calls each of the nodes over REST, as a user. */
  callsOf (user: string): Call[] {
    const token = forge(user === 'admin' ? { sub: user, roles: ['ws:admin'] } : { sub: user })
    return this.#deployment.origins.map((origin) => callOf([origin], token))
  }

  get channels (): string[] {
    return Array.from({ length: this.#channels }, (_, index) => `room-${index}`)
  }

  userOf (index: number): string {
    return `user-${index % this.#users}`
  }

  /** What was certainly published on a topic. */
  accepted (topic: string): Published[] {
    return this.#published.filter((published) => published.topic === topic && published.acceptedAt !== null)
  }

  /**
   * Publishes on each channel, and looks at how long it takes until everybody has it who is there all the time, milliseconds. Gives up
   * where something does not come: it is missing at the end of the run, too.
   */
  async slowestDelivery (options: PublishOptions = {}): Promise<number> {
    const from = performance.now()
    const waiting = await Promise.all(this.channels.map(async (channel) => {
      const members = this.crowd.staying.filter((client) => client.channels.has(channel))
      return { members, published: await this.publish(`channel:${channel}`, options) }
    }))
    const isOver = () => performance.now() - from > GIVE_UP_MS || waiting.every(({ published, members }) => members.every((member) => member.has(published)))
    await until(isOver, { everyMs: 20 })
    return Math.round(performance.now() - from)
  }

  /** Publishes beside the steady load. */
  async publish (topic: string, options: PublishOptions = {}): Promise<Published> {
    const busy = this.#busy.get(topic) ?? new Set()
    this.#busy.set(topic, busy)
    let producer = 0
    while (busy.has(producer)) producer++
    busy.add(producer)
    const published = await this.#producers.publish(topic, `producer ${producer}`, options)
    this.#published.push(published)
    // One of which nobody knows may be published yet, behind what comes from another node.
    if (published.acceptedAt !== null) busy.delete(producer)
    return published
  }

  /** Ends the publications, waits until everybody is back and has the last message of every stream, and says what is wrong. */
  async end (): Promise<LoadReport> {
    this.#isOver = true
    await this.#pacing
    await until(() => this.#inFlight.size === 0, { missing: () => `${this.#inFlight.size} publications have not settled` })
    await this.#deployment.allReady()
    const returns = await this.crowd.settle()
    const { clients } = this
    const topics = [...new Set(clients.flatMap((client) => client.topics))]
    const last = new Map(await Promise.all(topics.map(async (topic) => [topic, await this.#last(topic)] as const)))
    const waiting = () => clients.filter((client) => !client.isEntered || !client.topics.every((topic) => client.has(last.get(topic)!)))
    await until(() => waiting().length === 0, {
      everyMs: 50,
      missing: () => {
        const missing = waiting().flatMap((client) => client.topics.filter((topic) => !client.has(last.get(topic)!)))
        return `the last message for ${waiting().length} clients, of ${[...new Set(missing)].slice(0, 20).join()}`
      }
    })
    const wrongPresence = await this.#wrongPresence()
    const times = await Promise.all(this.#deployment.nodes.map((node) => node.command<{ slowestMs: number, delayMs: number }>('slowest')))
    const report = this.checker.report()
    return {
      ...report,
      examples: [...report.examples, ...this.crowd.examples, ...wrongPresence.slice(0, MAX_EXAMPLES)],
      wrongPresence: wrongPresence.length,
      ...returns,
      slowestMs: Math.max(...times.map(({ slowestMs }) => slowestMs)),
      delayMs: Math.max(...times.map(({ delayMs }) => delayMs)),
      refused: this.calls.filter(({ error }) => error === 'WSM_ERR_UNAVAILABLE').length
    }
  }

  close (): void {
    this.#isOver = true
    this.crowd.close()
  }

  /** Publishes until the message is certainly there. */
  async #last (topic: string): Promise<Published> {
    for (let attempt = 1; ; attempt++) {
      const published = await this.#producers.publish(topic, `last ${attempt}`)
      if (published.acceptedAt !== null) return published
    }
  }

  /** Waits until every node knows who is there, in every channel; resolves to what is still wrong after a while. */
  async #wrongPresence (): Promise<string[]> {
    const from = performance.now()
    let wrong: string[] = []
    await until(async () => {
      wrong = await wrongPresence(this, this.#deployment)
      return wrong.length === 0 || performance.now() - from > PRESENCE_MS
    }, { everyMs: 250, missing: () => wrong.slice(0, MAX_EXAMPLES).join() })
    return wrong
  }

  /** Each of the nodes in turn, whatever becomes of it. */
  async #anyNode (...args: Parameters<Publish>): ReturnType<Publish> {
    const { nodes } = this.#deployment
    const node = this.calls.length % nodes.length
    const call: Timed = { node, at: performance.now(), ms: 0, error: null }
    this.calls.push(call)
    try {
      return await nodes[node]!.command<{ acked?: string[] }>('publish', ...args)
    } catch (error) {
      const { code = 'gone' } = error as { code?: string }
      call.error = code
      throw code === 'gone' || code === 'WSM_ERR_UNAVAILABLE' ? error : Object.assign(error as Error, { status: 500 })
    } finally {
      call.ms = performance.now() - call.at
    }
  }

  async #pace (): Promise<void> {
    const from = performance.now()
    for (let n = 0; !this.#isOver; await sleep(PACE_MS)) {
      for (const due = (performance.now() - from) * this.#settings.rate / 1_000; n < due; n++) {
        const publishing = this.publish(this.#anyTopic())
        this.#inFlight.add(publishing)
        publishing.finally(() => this.#inFlight.delete(publishing))
      }
    }
  }

  #anyTopic (): string {
    if (Math.random() < BROADCASTS_PER_SOCKET / this.clients.length) return 'all'
    return Math.random() < 0.5
      ? `user:user-${Math.floor(Math.random() * this.#users)}`
      : `channel:room-${Math.floor(Math.random() * this.#channels)}`
  }
}
