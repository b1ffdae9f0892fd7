import { randomBytes } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Delivery, HistoryBounds, HistoryPage, PageBounds, StreamPosition, Publication, Retention } from '../engine.js'
import { refusal } from './access.js'
import { Batches } from './batches.js'
import type { Commands } from './commands.js'
import { Deadline } from './deadline.js'
import { Feed } from './feed.js'
import type { Keys } from './keys.js'
import type { Lane } from './lane.js'
import type { Layouts } from './layouts.js'
import type { Lineage } from './lineage.js'
import { Shares } from './shares.js'
import * as scripts from './stream-scripts.js'
import type { Subscriber } from './subscriber.js'
import { decodeEntry, tailOf, type Sighting } from './wire.js'

export interface StreamSettings {
  isCluster: boolean
  nodeId: string
  timeoutMs: number
  checkMs: number
  positionTtlMs: number
  /** Time for which streams that have not begun share an epoch; 0: they do not. See `lua.ts`. */
  windowMs: number
  bounds: HistoryBounds
}

/** The parts that store and deliver streams. */
export interface StreamStore { commands: Commands, lineage: Lineage, layouts: Layouts, subscriber: Subscriber, keys: Keys }

export interface StreamEvents {
  /** Called with the number of messages evicted or refused because a sender's share was used up. */
  evicted: (messages: number) => void
  deliver: (delivery: Delivery) => void
  break: (topic: string, position: StreamPosition) => void
}

interface Publishing { publication: Publication, tail: string, retention: Retention | null }
interface Asking { topic: string, known: StreamPosition | null }

interface Subscribed {
  feed: Feed
  lane: Lane
  /** Number of this node's publications in flight. */
  publishing: number
  /** Latest one that has completed. */
  published: StreamPosition | null
  opened: Promise<StreamPosition>
}

/** Time for which a node's latest batch is remembered; an abandoned connection delivers nothing later than this. */
const REMEMBER_MS = 60_000
const PAGE = 500
/** Page size of a feed that has fallen behind. */
const PAGE_BYTES = 1_048_576
/** Maximum names kept of removed streams; in a cluster per slot. */
const MAX_FORGOTTEN = 100_000
const MAX_FORGOTTEN_PER_SLOT = 1_000
/** Tells the script that a message is not kept. */
const NOTHING_KEPT: Retention = { size: -1, ttlMs: 0 }

/** Streams of all nodes, and the feeds of topics that this node is subscribed to. */
export class Streams {
  readonly #commands: Commands
  readonly #lineage: Lineage
  readonly #layouts: Layouts
  readonly #subscriber: Subscriber
  readonly #keys: Keys
  readonly #settings: StreamSettings
  readonly #events: StreamEvents
  readonly #log: FastifyBaseLogger
  readonly #feeds = new Map<string, Subscribed>()
  readonly #publications: Batches<Publishing, StreamPosition | null>
  readonly #positions: Batches<Asking, StreamPosition>
  readonly #shares: Shares
  readonly #timer: NodeJS.Timeout
  #batches = 0

  constructor (store: StreamStore, settings: StreamSettings, events: StreamEvents, log: FastifyBaseLogger) {
    const { commands, lineage, layouts, subscriber, keys } = store
    this.#commands = commands
    this.#lineage = lineage
    this.#layouts = layouts
    this.#subscriber = subscriber
    this.#keys = keys
    this.#settings = settings
    this.#events = events
    this.#log = log
    this.#publications = new Batches(settings.timeoutMs, (batch, leftMs, topic) => this.#publish(batch, leftMs, topic), ({ tail }) => tail.length)
    this.#positions = new Batches(settings.timeoutMs, (batch, leftMs, topic) => this.#ask(batch, leftMs, topic))
    this.#shares = new Shares(settings.bounds, settings.positionTtlMs, {
      cut: (topic, sender, through, keep) => this.#cut(topic, sender, through, keep),
      clear: (topic, offset) => this.#clear(topic, offset),
      forget: (topic, offset) => this.#forget(topic, offset),
      evicted: events.evicted,
      fail: (error) => log.debug({ err: error }, 'could not trim a history over its limit')
    })
    this.#timer = setInterval(() => this.#check(({ feed }) => feed.isIdle), settings.checkMs)
  }

  /** Command with which scripts publish on a topic's channel. */
  get publishCommand (): string {
    return this.#settings.isCluster ? 'SPUBLISH' : 'PUBLISH'
  }

  publish (publication: Publication, retention: Retention): Promise<StreamPosition> {
    if (publication.sender !== undefined) return this.#publishCharged(publication, publication.sender, retention)
    return this.#append(publication, retention)
  }

  /** Publishes a message without history. Resolves once Redis has published it. */
  async pass (publication: Publication): Promise<void> {
    await this.#push(publication, null)
  }

  subscribe (topic: string): Promise<StreamPosition> {
    const subscribed = this.#feeds.get(topic)
    if (subscribed !== undefined) return subscribed.opened.then(() => subscribed.feed.position!)
    const feed = new Feed({
      read: (since) => this.history(topic, since, PAGE, { maxBytes: PAGE_BYTES }),
      deliver: this.#events.deliver,
      break: (position) => {
        opening.published = null
        this.#events.break(topic, position)
      },
      fail: (error) => this.#log.warn({ err: error, topic }, 'could not recover lost messages yet; will retry')
    })
    const opening: Omit<Subscribed, 'opened'> = { feed, lane: this.#laneOf(topic), publishing: 0, published: null }
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

  /** See `PassageEvents.isUpToDate`. */
  isUpToDate (topic: string): boolean {
    const subscribed = this.#feeds.get(topic)
    const position = subscribed?.feed.position ?? null
    if (position === null || subscribed!.publishing > 0) return false
    const { published } = subscribed!
    return published === null || (published.epoch === position.epoch && published.offset <= position.offset)
  }

  /** @param sighting the message's position in the lane; null: from a node of a version that does not send it */
  receive (delivery: Delivery, sighting: Sighting | null): void {
    const subscribed = this.#feeds.get(delivery.topic)
    if (subscribed === undefined) return
    if (sighting !== null) this.#lineage.seen(subscribed.lane, sighting.segment, sighting.number)
    subscribed.feed.receive(delivery)
  }

  async history (topic: string, since: StreamPosition | null, limit: number, { maxBytes = Infinity, notBefore = 0 }: PageBounds = {}): Promise<HistoryPage> {
    const keys = [...this.#keys.beginnings(topic), ...this.#keys.stream(topic)]
    const args = [...this.#times(), since?.epoch ?? '', since?.offset ?? 0, limit, Math.min(maxBytes, Number.MAX_SAFE_INTEGER), notBefore]
    const [epoch, offset, isComplete, first, tails] =
      await this.#lineage.run(this.#laneOf(topic), scripts.history, keys, args) as [string, number, number, number, string[]]
    const top = { epoch, offset }
    const entries = tails.map((tail, i) => decodeEntry(topic, { epoch, offset: first + i }, tail))
    if (isComplete === 1 && entries.every((entry) => entry !== null)) return { entries, isComplete: true, from: { epoch, offset: first - 1 }, top }
    if (isComplete === 1) this.#log.error({ topic }, 'ignored a history in Redis that has a malformed entry')
    return { entries: [], isComplete: false, from: top, top }
  }

  /** Compares some feeds with their streams' positions. */
  checkThese (topics: Set<string>): void {
    this.#check((_subscribed, topic) => topics.has(topic))
  }

  /** Compares all feeds with their streams' positions. */
  checkAll (): void {
    this.#check(() => true)
  }

  /** Compares the feeds of a lane. */
  checkLane (lane: Lane): void {
    this.#check((subscribed) => subscribed.lane === lane)
  }

  close (): void {
    clearInterval(this.#timer)
    this.#shares.close()
    for (const { feed } of this.#feeds.values()) feed.close()
    this.#feeds.clear()
  }

  async #append (publication: Publication, retention: Retention): Promise<StreamPosition> {
    const subscribed = this.#feeds.get(publication.topic)
    if (subscribed === undefined) return await this.#push(publication, retention) as StreamPosition
    subscribed.publishing++
    try {
      const position = await this.#push(publication, retention) as StreamPosition
      subscribed.published = position
      return position
    } finally {
      subscribed.publishing--
    }
  }

  #push (publication: Publication, retention: Retention | null): Promise<StreamPosition | null> {
    return this.#publications.push(this.#batchOf(publication.topic), { publication, tail: tailOf(publication), retention })
  }

  async #publishCharged (publication: Publication, sender: string, retention: Retention): Promise<StreamPosition> {
    const bytes = Buffer.byteLength(publication.json)
    this.#shares.reserve(sender, bytes)
    try {
      return await this.#append(publication, retention)
    } catch (error) {
      this.#shares.unreserve(sender, bytes)
      throw error
    }
  }

  async #open (topic: string, opening: Omit<Subscribed, 'opened'>): Promise<StreamPosition> {
    const deadline = new Deadline(this.#settings.timeoutMs)
    try {
      await deadline.race(this.#subscriber.subscribe(this.#keys.channel(topic)))
      const position = await deadline.race(this.#positions.push(this.#batchOf(topic), { topic, known: null }))
      opening.feed.start(position)
      return position
    } catch (error) {
      if (this.#feeds.get(topic)?.feed === opening.feed) this.unsubscribe(topic)
      throw error
    }
  }

  async #check (isDue: (subscribed: Subscribed, topic: string) => boolean): Promise<void> {
    const due = [...this.#feeds].filter(([topic, subscribed]) => subscribed.feed.position !== null && isDue(subscribed, topic))
    for (const { feed } of this.#feeds.values()) feed.isIdle = true
    await Promise.all(due.map(async ([topic, { feed }]) => {
      try {
        feed.check(await this.#positions.push(this.#batchOf(topic), { topic, known: feed.position }))
      } catch (error) {
        this.#log.debug({ err: error, topic }, 'could not check a stream position')
      }
    }))
  }

  #laneOf (topic: string): Lane {
    return this.#lineage.lane(this.#keys.lane(topic))
  }

  /** In a cluster each topic can be in another slot, and no script spans two. */
  #batchOf (topic: string): string {
    return this.#settings.isCluster ? topic : ''
  }

  /** @param topic '' on a single server: any topics */
  async #publish (batch: Publishing[], leftMs: number, topic: string): Promise<(StreamPosition | null | Error)[]> {
    const { isCluster, nodeId } = this.#settings
    const keys = [this.#keys.publisher(isCluster ? topic : null, nodeId), ...this.#keys.beginnings(topic)]
    const streams: (string | number)[] = []
    const messages: (string | number)[] = []
    const numbers = new Map<string, number>()
    for (const { publication: { topic, sender = '' }, tail, retention } of batch) {
      const { size, ttlMs } = retention ?? NOTHING_KEPT
      const stream = `${size} ${ttlMs} ${topic}`
      let number = numbers.get(stream)
      if (number === undefined) {
        numbers.set(stream, number = numbers.size)
        keys.push(...this.#keys.stream(topic))
        streams.push(this.#keys.channel(topic), size, ttlMs)
      }
      messages.push(number, sender, tail)
    }
    const args = [++this.#batches, REMEMBER_MS, this.publishCommand, this.#layouts.mark, ...this.#times(), ...streams, ...messages]
    const results = await this.#lineage.run(this.#laneOf(topic), scripts.publish, keys, args, new Deadline(leftMs)) as ([string, string] | [] | string)[]
    return results.map((result, i) => {
      if (typeof result === 'string') return refusal('a publication', new Error(result), scripts.publish)
      if (result.length === 0) return null
      const position = { epoch: result[0], offset: Number(result[1]) }
      const { publication, retention } = batch[i]!
      this.#shares.published(publication, retention!, position.offset)
      return position
    })
  }

  /** Arguments that every script needs for a stream without keys. */
  #times (): [fresh: string, positionTtlMs: number, windowMs: number] {
    return [newEpoch(), this.#settings.positionTtlMs, this.#settings.windowMs]
  }

  async #cut (topic: string, sender: string, through: number, keep: number): Promise<{ messages: number, first: number }> {
    const [, log] = this.#keys.stream(topic)
    const [messages, first] = await this.#commands.run(scripts.cut, [log], [sender, through, keep]) as [number, number]
    return { messages, first }
  }

  async #clear (topic: string, offset: number): Promise<void> {
    await this.#commands.run(scripts.clear, this.#keys.stream(topic), [offset])
  }

  async #forget (topic: string, offset: number): Promise<number | null> {
    const { isCluster, windowMs } = this.#settings
    const keys = [...this.#keys.beginnings(topic), ...this.#keys.stream(topic)]
    const messages = await this.#commands.run(scripts.forget, keys, [
      offset, isCluster ? 'SHARDNUMSUB' : 'NUMSUB', this.#keys.channel(topic), windowMs, isCluster ? MAX_FORGOTTEN_PER_SLOT : MAX_FORGOTTEN, newEpoch()
    ]) as number
    return messages === -1 ? null : messages
  }

  async #ask (batch: Asking[], leftMs: number, topic: string): Promise<StreamPosition[]> {
    const keys: string[] = [...this.#keys.beginnings(topic)]
    const args: (string | number)[] = this.#times()
    for (const { topic: name, known } of batch) {
      keys.push(...this.#keys.stream(name))
      args.push(known?.epoch ?? '', known?.offset ?? 0)
    }
    const found = await this.#lineage.run(this.#laneOf(topic), scripts.positions, keys, args, new Deadline(leftMs)) as [string, number][]
    return found.map(([epoch, offset]) => ({ epoch, offset }))
  }
}

const PROCESS = randomBytes(9).toString('base64url')
let epochs = 0

/**
 * Creates a unique epoch, on any node. Every publication carries one in case its stream has none, so it must be cheap. Two
 * streams that begin in one call may share it: epochs are only distinguished within a topic.
 */
export function newEpoch (): string {
  return `${PROCESS}${(++epochs).toString(36)}`
}
