import { setTimeout as sleep } from 'node:timers/promises'
import { Checker, type Entry, type Journal, type Published } from '../fixtures/checker.js'
import { callOf, Producers, type Call, type Publish, type PublishOptions } from '../fixtures/producers.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'
import type { Report } from '../fixtures/verdict.js'
import { WellBehavedClient } from '../fixtures/well-behaved-client.js'
import type { Deployment } from './deployment.js'

export interface LoadSettings {
  sockets: number
  /** Publications per second. */
  rate: number
}

/** A publication; `at` as of `performance.now()`. `error` is its code, or "gone" with the node. */
export interface Timed { node: number, at: number, ms: number, error: string | null }

export interface LoadReport extends Report {
  /** The longest that a publication or a request took in any of the nodes, milliseconds. */
  slowestMs: number
  /** How late the timers of any of the nodes were at the worst, milliseconds. */
  delayMs: number
  /** Publications that failed with WSM_ERR_UNAVAILABLE. */
  refused: number
}

const SOCKETS_PER_USER = 3
const SOCKETS_PER_CHANNEL = 5
/** How many sockets a publication to everybody may cost, for each one to a user or a channel. */
const BROADCASTS_PER_SOCKET = 6
const PACE_MS = 10
/** Without being told when, a client comes back within this time, at random. */
const RETURN_MS = 1_000
const PATIENCE_MS = 60_000

/**
 * What goes on while there are faults: clients that come back by themselves to any node that is ready, and publications by each
 * of the nodes in turn, at a steady rate whatever becomes of them.
 */
export class Load {
  readonly checker = new Checker()
  readonly calls: Timed[] = []
  readonly clients: readonly WellBehavedClient[]
  /** When each client was told to come back, milliseconds from then. */
  readonly toldToReturn: number[] = []
  readonly #deployment: Deployment
  readonly #settings: LoadSettings
  readonly #producers: Producers
  readonly #users: number
  readonly #channels: number
  readonly #journals: Journal[] = []
  readonly #published: Published[] = []
  readonly #inFlight = new Set<Promise<unknown>>()
  /** The numbers of the producers that have a publication under way, by topic: each has one at a time. */
  readonly #busy = new Map<string, Set<number>>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #pacing: Promise<void> | null = null
  #isOver = false

  constructor (deployment: Deployment, settings: LoadSettings) {
    this.#deployment = deployment
    this.#settings = settings
    this.#users = Math.ceil(settings.sockets / SOCKETS_PER_USER)
    this.#channels = Math.ceil(settings.sockets / SOCKETS_PER_CHANNEL)
    this.#producers = new Producers(this.checker, (...args) => this.#anyNode(...args))
    this.clients = Array.from({ length: settings.sockets }, (_, index) => this.#client(index))
  }

  /** Resolves when every client is where it wants to be; publications have begun. */
  async start (): Promise<void> {
    for (const client of this.clients) client.connect()
    await Promise.all(this.clients.map((client) => client.until(() => client.isEntered, PATIENCE_MS)))
    // What it takes to begin is not what is looked at.
    await Promise.all(this.#deployment.nodes.map((node) => node.command('forget')))
    this.#pacing = this.#pace()
  }

  /** Sockets that the clients have opened. */
  get opened (): number {
    return this.#count('opened')
  }

  /** How often a client was told that messages may be missing. */
  get announcements (): number {
    return this.#count('gap')
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

  /** Publishes beside the steady load. */
  async publish (topic: string, options: PublishOptions = {}): Promise<void> {
    const busy = this.#busy.get(topic) ?? new Set()
    this.#busy.set(topic, busy)
    let producer = 0
    while (busy.has(producer)) producer++
    busy.add(producer)
    const published = await this.#producers.publish(topic, `producer ${producer}`, options)
    this.#published.push(published)
    // One of which nobody knows may be published yet, behind what comes from another node.
    if (published.acceptedAt !== null) busy.delete(producer)
  }

  /** Ends the publications, waits until everybody is back and has the last message of every stream, and says what is wrong. */
  async end (): Promise<LoadReport> {
    this.#isOver = true
    await this.#pacing
    await Promise.all(this.#inFlight)
    await this.#deployment.allReady()
    const { clients } = this
    await Promise.all(clients.map((client) => client.until(() => client.isEntered, PATIENCE_MS)))
    const topics = new Set(clients.flatMap((client) => client.topics))
    const last = new Map(await Promise.all([...topics].map(async (topic) => [topic, await this.#producers.publish(topic, 'last')] as const)))
    await Promise.all(clients.map((client) => client.until(() => client.isEntered && client.topics.every((topic) => client.has(last.get(topic)!)), PATIENCE_MS)))
    await this.#presenceIsTrue()
    const times = await Promise.all(this.#deployment.nodes.map((node) => node.command<{ slowestMs: number, delayMs: number }>('slowest')))
    return {
      ...this.checker.report(),
      slowestMs: Math.max(...times.map(({ slowestMs }) => slowestMs)),
      delayMs: Math.max(...times.map(({ delayMs }) => delayMs)),
      refused: this.calls.filter(({ error }) => error === 'WSM_ERR_UNAVAILABLE').length
    }
  }

  close (): void {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const client of this.clients) client.destroy()
  }

  /** Every node knows who is there, in every channel. */
  async #presenceIsTrue (): Promise<void> {
    await Promise.all(this.channels.map(async (channel) => {
      const present = new Set(this.clients.filter(({ channels }) => channels.has(channel)).map(({ clientId }) => clientId!))
      await Promise.all(this.#deployment.nodes.map((node) => until(async () => {
        const { users } = await node.command<{ users: { client_ids: string[] }[] }>('presence', channel)
        const ids = users.flatMap(({ client_ids: ids }) => ids)
        return ids.length === present.size && ids.every((id) => present.has(id))
      })))
    }))
  }

  #count (kind: Entry['kind']): number {
    return this.#journals.reduce((count, { entries }) => count + entries.filter((entry) => entry.kind === kind).length, 0)
  }

  #client (index: number): WellBehavedClient {
    const journal = this.checker.journal(`client ${index}`)
    this.#journals.push(journal)
    const client = new WellBehavedClient(this.userOf(index), {
      journal,
      now: this.checker.now,
      token: (user) => forge({ sub: user }),
      origin: () => {
        const { open } = this.#deployment
        return open[Math.floor(Math.random() * open.length)]!
      },
      onEnd: ({ afterMs }) => {
        if (afterMs !== null) this.toldToReturn.push(afterMs)
        const timer = setTimeout(() => {
          this.#timers.delete(timer)
          client.connect()
        }, afterMs ?? Math.random() * RETURN_MS)
        this.#timers.add(timer)
      }
    })
    client.subscribe(`room-${index % this.#channels}`)
    return client
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
