import { randomBytes } from 'node:crypto'
import type { Delivery, HistoryPage, Position, Publication, Retention } from '../engine.js'

export interface StreamLimits {
  /** How many streams are remembered; those with members do not count. */
  maxTopics: number
  /** What all histories hold together, bytes of JSON. */
  maxBytes: number
  /** How long the position of a stream is remembered that nobody uses and that has no history any more. */
  positionTtlMs: number
}

/** How often what nobody can ask for any more is let go. */
const SWEEP_MS = 5_000
/** How much of a limit is left in use when it was reached. */
const BOUNDED_TO = 0.9

type StreamDelivery = Delivery & { position: Position }
interface Entry { delivery: StreamDelivery, bytes: number, expiresAt: number }

/** The streams of one node, with what they keep: bounded in messages and time each, in bytes and number together. */
export class Streams {
  /** By when they were last published to or subscribed to, longest ago first. */
  readonly #streams = new Map<string, Stream>()
  readonly #limits: StreamLimits
  /** Runs while there is anything to let go. */
  #timer: NodeJS.Timeout | null = null
  #isClosed = false
  /** The one at the end of the map, which is often the next one too. */
  #latest: Stream | null = null
  #bytes = 0
  #subscribedCount = 0
  /** The epoch of streams that begin now. Another one from when a stream is forgotten on, since it may begin again. */
  #epoch = newEpoch()

  constructor (limits: StreamLimits) {
    this.#limits = limits
  }

  isSubscribed (topic: string): boolean {
    return this.#streams.get(topic)?.isSubscribed === true
  }

  subscribe (topic: string): Position {
    const stream = this.#use(topic)
    if (!stream.isSubscribed) this.#subscribedCount++
    stream.isSubscribed = true
    return stream.top
  }

  unsubscribe (topic: string): void {
    const stream = this.#streams.get(topic)
    if (stream === undefined || !stream.isSubscribed) return
    stream.isSubscribed = false
    stream.usedAt = performance.now()
    this.#subscribedCount--
    this.#boundTopics()
  }

  append (publication: Publication, { size, ttlMs }: Retention): StreamDelivery {
    const stream = this.#use(publication.topic)
    const bytes = Buffer.byteLength(publication.json)
    const delivery = { ...publication, position: { epoch: stream.epoch, offset: ++stream.offset } }
    stream.entries.push({ delivery, bytes, expiresAt: stream.usedAt + ttlMs })
    this.#bytes += bytes
    while (stream.length > size) this.#bytes -= stream.shift()
    if (this.#bytes > this.#limits.maxBytes) this.#boundBytes(stream)
    return delivery
  }

  read (topic: string, since: Position | null, limit: number): HistoryPage {
    const stream = this.#streams.get(topic)
    // Nothing is known of it, and reading makes nothing: a position that nobody can have been given is not made up.
    if (stream === undefined) return { entries: [], isComplete: since === null, top: { epoch: this.#epoch, offset: 0 } }
    this.#expire(stream, performance.now())
    const first = stream.offset - stream.length + 1
    const from = since === null ? first : since.offset + 1
    const isComplete = since === null || (since.epoch === stream.epoch && from >= first && since.offset <= stream.offset)
    return { entries: isComplete ? stream.slice(from - first, limit) : [], isComplete, top: stream.top }
  }

  close (): void {
    this.#isClosed = true
    this.#stopSweeping()
    this.#streams.clear()
    this.#latest = null
    this.#bytes = 0
  }

  /** The stream, made where there is none, as the one that was used last. */
  #use (topic: string): Stream {
    const known = this.#streams.get(topic)
    const stream = known ?? new Stream(topic, this.#epoch)
    if (stream !== this.#latest) {
      this.#streams.delete(topic)
      this.#streams.set(topic, stream)
      this.#latest = stream
    }
    // It is the latest by now, which stays.
    if (known === undefined) this.#boundTopics()
    // What is forgotten later than the process ends is no reason to go on.
    if (!this.#isClosed) this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
    stream.usedAt = performance.now()
    return stream
  }

  #boundTopics (): void {
    const { maxTopics } = this.#limits
    if (this.#streams.size - this.#subscribedCount <= maxTopics) return
    // Some at once, so that those with members, which are passed over, are not passed over each time.
    for (const stream of this.#streams.values()) {
      if (this.#streams.size - this.#subscribedCount <= maxTopics * BOUNDED_TO) return
      if (!stream.isSubscribed && stream !== this.#latest) this.#forget(stream)
    }
  }

  /** What was used longest ago loses its history first; a stream that is too much alone loses its oldest messages. */
  #boundBytes (latest: Stream): void {
    for (const stream of this.#streams.values()) {
      while (stream.length > (stream === latest ? 1 : 0)) {
        if (this.#bytes <= this.#limits.maxBytes * BOUNDED_TO) return
        this.#bytes -= stream.shift()
      }
    }
  }

  #forget (stream: Stream): void {
    while (stream.length > 0) this.#bytes -= stream.shift()
    this.#streams.delete(stream.topic)
    if (stream === this.#latest) this.#latest = null
    // Whoever holds a position of it must not find it in what begins under the same name.
    if (stream.epoch === this.#epoch) this.#epoch = newEpoch()
  }

  #expire (stream: Stream, now: number): void {
    while (stream.length > 0 && stream.oldest.expiresAt <= now) this.#bytes -= stream.shift()
  }

  #sweep (): void {
    const now = performance.now()
    for (const stream of this.#streams.values()) {
      this.#expire(stream, now)
      const isIdle = stream.length === 0 && !stream.isSubscribed
      if (isIdle && now - stream.usedAt >= this.#limits.positionTtlMs) this.#forget(stream)
    }
    if (this.#streams.size === 0) this.#stopSweeping()
  }

  #stopSweeping (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }
}

class Stream {
  readonly topic: string
  readonly epoch: string
  /** The last one that was given out. */
  offset = 0
  isSubscribed = false
  usedAt = 0
  entries: Entry[] = []
  /** How many at the front are gone already: taking them out one by one would move all the others each time. */
  #gone = 0

  constructor (topic: string, epoch: string) {
    this.topic = topic
    this.epoch = epoch
  }

  get length (): number {
    return this.entries.length - this.#gone
  }

  get oldest (): Entry {
    return this.entries[this.#gone]!
  }

  get top (): Position {
    return { epoch: this.epoch, offset: this.offset }
  }

  /** Takes out the oldest entry; returns its size. */
  shift (): number {
    const { bytes } = this.oldest
    this.entries[this.#gone++] = undefined as unknown as Entry
    if (this.#gone * 2 >= this.entries.length) {
      this.entries.splice(0, this.#gone)
      this.#gone = 0
    }
    return bytes
  }

  slice (start: number, limit: number): StreamDelivery[] {
    const from = this.#gone + start
    return this.entries.slice(from, from + limit).map(({ delivery }) => delivery)
  }
}

function newEpoch (): string {
  return randomBytes(6).toString('base64url')
}
