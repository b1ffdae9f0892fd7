import { randomBytes } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Delivery, HistoryPage, Position, Publication, Retention } from '../engine.js'
import { Batches } from './batches.js'
import type { Commands } from './commands.js'
import { Deadline, unavailable } from './deadline.js'
import { Feed } from './feed.js'
import type { Keys } from './keys.js'
import * as scripts from './stream-scripts.js'
import type { Subscriber } from './subscriber.js'
import { decodeEntry, tailOf } from './wire.js'

export interface StreamSettings {
  isCluster: boolean
  nodeId: string
  timeoutMs: number
  checkMs: number
  positionTtlMs: number
}

export interface StreamEvents {
  deliver: (delivery: Delivery) => void
  break: (topic: string, position: Position) => void
}

interface Publishing { publication: Publication, tail: string, retention: Retention | null }
interface Known { position: Position, run: string }
interface Asking { topic: string, known: Known | null }

interface Subscribed {
  feed: Feed
  opened: Promise<Position>
  /** In which run of the server the feed's position was checked last. */
  run: string
  /** Where the feed was when a connection broke: what came since can be of another run. */
  brokeAt: Position | null
}

/** How long it is remembered what a node published last: no connection that has been given up delivers anything later. */
const REMEMBER_MS = 60_000
const PAGE = 500
/** How the script is told that a message is not kept. */
const NOTHING_KEPT: Retention = { size: -1, ttlMs: 0 }

/** The streams of all nodes, and the feeds of the topics that this one is subscribed to. */
export class Streams {
  readonly #commands: Commands
  readonly #subscriber: Subscriber
  readonly #keys: Keys
  readonly #settings: StreamSettings
  readonly #events: StreamEvents
  readonly #log: FastifyBaseLogger
  readonly #feeds = new Map<string, Subscribed>()
  readonly #publications: Batches<Publishing, Position | null>
  readonly #positions: Batches<Asking, Known>
  readonly #timer: NodeJS.Timeout
  #batches = 0

  constructor (commands: Commands, subscriber: Subscriber, keys: Keys, settings: StreamSettings, events: StreamEvents, log: FastifyBaseLogger) {
    this.#commands = commands
    this.#subscriber = subscriber
    this.#keys = keys
    this.#settings = settings
    this.#events = events
    this.#log = log
    this.#publications = new Batches(settings.timeoutMs, (batch, leftMs, lane) => this.#publish(batch, leftMs, lane), ({ tail }) => tail.length)
    this.#positions = new Batches(settings.timeoutMs, (batch, leftMs) => this.#ask(batch, leftMs))
    this.#timer = setInterval(() => this.#check(({ feed, brokeAt }) => feed.isIdle || brokeAt !== null), settings.checkMs)
  }

  /** The command with which scripts publish on a topic's channel. */
  get publishCommand (): string {
    return this.#settings.isCluster ? 'SPUBLISH' : 'PUBLISH'
  }

  publish (publication: Publication, retention: Retention | null): Promise<Position | null> {
    return this.#publications.push(this.#laneOf(publication.topic), { publication, tail: tailOf(publication), retention })
  }

  subscribe (topic: string): Promise<Position> {
    const subscribed = this.#feeds.get(topic)
    if (subscribed !== undefined) return subscribed.opened.then(() => subscribed.feed.position!)
    const feed = new Feed({
      read: (since) => this.history(topic, since, PAGE),
      deliver: this.#events.deliver,
      break: (position) => this.#events.break(topic, position),
      fail: (error) => this.#log.warn({ err: error, topic }, 'lost messages could not be read again yet')
    })
    const opening = { feed, run: '', brokeAt: null }
    const opened = this.#open(topic, opening)
    this.#feeds.set(topic, Object.assign(opening, { opened }))
    return opened
  }

  unsubscribe (topic: string): void {
    const subscribed = this.#feeds.get(topic)
    if (subscribed === undefined) return
    this.#feeds.delete(topic)
    subscribed.feed.close()
    this.#subscriber.unsubscribe(this.#keys.channel(topic))
  }

  isSubscribed (topic: string): boolean {
    return this.#feeds.has(topic)
  }

  receive (delivery: Delivery): void {
    this.#feeds.get(delivery.topic)?.feed.receive(delivery)
  }

  async history (topic: string, since: Position | null, limit: number): Promise<HistoryPage> {
    const [position, log] = this.#keys.stream(topic)
    const args = [newEpoch(), this.#settings.positionTtlMs, since?.epoch ?? '', since?.offset ?? 0, limit]
    const [epoch, offset, isComplete, first, tails] =
      await this.#commands.run(scripts.history, [position, log], args) as [string, number, number, number, string[]]
    const top = { epoch, offset }
    const entries = tails.map((tail, i) => decodeEntry(topic, { epoch, offset: first + i }, tail))
    if (isComplete === 1 && entries.every((entry) => entry !== null)) return { entries, isComplete: true, top }
    if (isComplete === 1) this.#log.error({ topic }, 'a history in Redis holds what is no message')
    return { entries: [], isComplete: false, top }
  }

  /** Notes where the feeds are, before anything reaches them on a new connection. */
  connectionBroke (): void {
    for (const subscribed of this.#feeds.values()) subscribed.brokeAt ??= subscribed.feed.position
  }

  /** Compares all feeds with where their streams are. */
  checkAll (): void {
    this.#check(() => true)
  }

  close (): void {
    clearInterval(this.#timer)
    for (const { feed } of this.#feeds.values()) feed.close()
    this.#feeds.clear()
  }

  async #open (topic: string, opening: Omit<Subscribed, 'opened'>): Promise<Position> {
    const deadline = new Deadline(this.#settings.timeoutMs)
    try {
      await deadline.race(this.#subscriber.subscribe(this.#keys.channel(topic)))
      const { position, run } = await deadline.race(this.#positions.push(this.#laneOf(topic), { topic, known: null }))
      opening.run = run
      opening.feed.start(position)
      return position
    } catch (error) {
      if (this.#feeds.get(topic)?.feed === opening.feed) this.unsubscribe(topic)
      throw error
    }
  }

  async #check (isDue: (subscribed: Subscribed) => boolean): Promise<void> {
    const due = [...this.#feeds].filter(([, subscribed]) => subscribed.feed.position !== null && isDue(subscribed))
    for (const { feed } of this.#feeds.values()) feed.isIdle = true
    await Promise.all(due.map(async ([topic, subscribed]) => {
      const { feed, brokeAt } = subscribed
      const known = { position: brokeAt ?? feed.position!, run: subscribed.run }
      try {
        const { position, run } = await this.#positions.push(this.#laneOf(topic), { topic, known })
        if (subscribed.brokeAt === brokeAt) Object.assign(subscribed, { run, brokeAt: null })
        feed.check(position)
      } catch (error) {
        this.#log.debug({ err: error, topic }, 'a position could not be checked')
      }
    }))
  }

  /** On a cluster each topic can be in another slot, and no script reaches two. */
  #laneOf (topic: string): string {
    return this.#settings.isCluster ? topic : ''
  }

  async #publish (batch: Publishing[], leftMs: number, lane: string): Promise<(Position | null | Error)[]> {
    const { isCluster, nodeId, positionTtlMs } = this.#settings
    const keys = [this.#keys.publisher(isCluster ? lane : null, nodeId)]
    const streams: (string | number)[] = []
    const messages: (string | number)[] = []
    const numbers = new Map<string, number>()
    for (const { publication: { topic }, tail, retention } of batch) {
      const { size, ttlMs } = retention ?? NOTHING_KEPT
      const stream = `${size} ${ttlMs} ${topic}`
      let number = numbers.get(stream)
      if (number === undefined) {
        numbers.set(stream, number = numbers.size)
        keys.push(...this.#keys.stream(topic))
        streams.push(this.#keys.channel(topic), size, ttlMs)
      }
      messages.push(number, tail)
    }
    const args = [++this.#batches, REMEMBER_MS, this.publishCommand, newEpoch(), positionTtlMs, ...streams, ...messages]
    const results = await this.#commands.run(scripts.publish, keys, args, new Deadline(leftMs)) as ([string, string] | [] | string)[]
    return results.map((result) => {
      if (typeof result === 'string') return unavailable('it refused a publication', new Error(result))
      const [epoch, offset] = result
      return epoch === undefined ? null : { epoch, offset: Number(offset) }
    })
  }

  async #ask (batch: Asking[], leftMs: number): Promise<Known[]> {
    const keys: string[] = []
    const args: (string | number)[] = [newEpoch(), this.#settings.positionTtlMs]
    for (const { topic, known } of batch) {
      keys.push(...this.#keys.stream(topic))
      args.push(known?.position.epoch ?? '', known?.position.offset ?? 0, known?.run ?? '')
    }
    const [run, ...found] = await this.#commands.run(scripts.positions, keys, args, new Deadline(leftMs)) as [string, ...[string, number][]]
    return found.map(([epoch, offset]) => ({ position: { epoch, offset }, run }))
  }
}

const PROCESS = randomBytes(9).toString('base64url')
let epochs = 0

/**
 * Never the same twice, on any node. Every publication brings one along, in case its stream has none, so it must cost
 * little. Two streams that begin in one call may share it: an epoch is told apart within its topic only.
 */
export function newEpoch (): string {
  return `${PROCESS}${(++epochs).toString(36)}`
}
