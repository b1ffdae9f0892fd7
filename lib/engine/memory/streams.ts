import type { EngineContext, HistoryBounds, HistoryPage, PageBounds, StreamPosition, Publication, Retention } from '../engine.js'
import { largerThanShare, shareUsedUp } from '../used-share.js'
import { Beginnings } from './beginnings.js'
import { Senders } from './senders.js'
import { Sender, Stream, type Entry, type StreamDelivery } from './stream.js'

export type StreamLimits = HistoryBounds & Pick<EngineContext, 'positionTtlMs'>

/** Interval of sweeps for expired messages and unused streams. */
const SWEEP_MS = 5_000
/** Fraction of a limit that eviction shrinks to, so it does not run on every message. */
const BOUNDED_TO = 0.9

/** Streams of one node with their histories: each bounded in messages and time, all together in bytes and number. */
export class Streams {
  /** Streams with publications, least recently published or subscribed to first. */
  readonly #streams = new Map<string, Stream>()
  /** Topics that have members but no publications, and the epochs in which they begin. */
  readonly #silent = new Map<string, string>()
  readonly #beginnings: Beginnings
  readonly #senders = new Senders()
  readonly #limits: StreamLimits
  readonly #onEvicted: (messages: number) => void
  /** Runs while there is anything to expire. */
  #timer: NodeJS.Timeout | null = null
  #isClosed = false
  /** Stream at the end of the map, which is often used next, too. */
  #latest: Stream | null = null
  #bytes = 0
  #subscribedCount = 0

  /** @param onEvicted called with the number of messages evicted or refused because a sender's share was used up */
  constructor (limits: StreamLimits, onEvicted: (messages: number) => void) {
    this.#limits = limits
    this.#onEvicted = onEvicted
    this.#beginnings = new Beginnings(limits.maxTopics)
  }

  /** Current sizes, for tests. */
  get size (): { streams: number, silent: number, bytes: number } {
    return { streams: this.#streams.size, silent: this.#silent.size, bytes: this.#bytes }
  }

  isSubscribed (topic: string): boolean {
    const stream = this.#streams.get(topic)
    return stream === undefined ? this.#silent.has(topic) : stream.isSubscribed
  }

  subscribe (topic: string): StreamPosition {
    const stream = this.#streams.get(topic)
    if (stream === undefined) {
      const epoch = this.#epochOf(topic)
      this.#silent.set(topic, epoch)
      return { epoch, offset: 0 }
    }
    this.#touch(stream)
    if (!stream.isSubscribed) {
      stream.isSubscribed = true
      this.#subscribedCount++
      if (stream.owner instanceof Sender) stream.owner.begun.delete(stream)
    }
    return stream.top
  }

  unsubscribe (topic: string): void {
    this.#silent.delete(topic)
    const stream = this.#streams.get(topic)
    if (stream === undefined || !stream.isSubscribed) return
    stream.isSubscribed = false
    stream.usedAt = performance.now()
    this.#subscribedCount--
    if (stream.owner instanceof Sender) this.#charge(stream, stream.owner)
    this.#boundTopics()
  }

  /** @throws WSM_ERR_RATE_LIMITED if the sender's share has no room; nothing is appended */
  append (publication: Publication, { size, ttlMs }: Retention): StreamDelivery {
    const bytes = Buffer.byteLength(publication.json)
    const sender = publication.sender === undefined ? null : this.#admit(publication.sender, bytes)
    const stream = this.#streams.get(publication.topic) ?? this.#begin(publication.topic, sender)
    this.#touch(stream)
    if (sender !== null && stream.owner === sender) this.#charge(stream, sender)
    else if (stream.owner !== 'app') this.#share(stream, sender)
    const delivery = { ...publication, position: { epoch: stream.epoch, offset: ++stream.offset } }
    const publishedAt = Math.max(Date.now(), stream.newest?.publishedAt ?? 0)
    this.#push(stream, { delivery, bytes, expiresAt: stream.usedAt + ttlMs, publishedAt, sender })
    while (stream.length > size) this.#shift(stream)
    if (this.#bytes > this.#limits.maxBytes) this.#boundBytes(stream)
    return delivery
  }

  read (topic: string, since: StreamPosition | null, limit: number, { maxBytes = Infinity, notBefore = 0 }: PageBounds = {}): HistoryPage {
    const stream = this.#streams.get(topic)
    if (stream === undefined) {
      // Reading must not create a stream, nor invent a position that no client can have.
      const top = { epoch: this.#epochOf(topic), offset: 0 }
      return { entries: [], isComplete: since === null || (since.epoch === top.epoch && since.offset === 0), from: top, top }
    }
    this.#expire(stream, performance.now())
    const { top, length } = stream
    const first = top.offset - length + 1
    const oldest = stream.oldest?.publishedAt ?? Infinity
    const wanted = since === null ? first : since.offset + 1
    // If the oldest entry is already too old, so was everything evicted before it.
    const reaches = wanted >= first || oldest < notBefore
    if (since !== null && !(since.epoch === top.epoch && since.offset <= top.offset && reaches)) {
      return { entries: [], isComplete: false, from: top, top }
    }
    let index = Math.max(wanted, first) - first
    if (oldest < notBefore) index = Math.max(index, stream.countWhile(({ publishedAt }) => publishedAt < notBefore))
    return { entries: slice(stream, index, limit, maxBytes), isComplete: true, from: { epoch: top.epoch, offset: first + index - 1 }, top }
  }

  close (): void {
    this.#isClosed = true
    this.#stopSweeping()
    this.#streams.clear()
    this.#silent.clear()
    this.#senders.clear()
    this.#latest = null
    this.#bytes = 0
  }

  #epochOf (topic: string): string {
    return this.#silent.get(topic) ?? this.#beginnings.epochOf(topic)
  }

  #begin (topic: string, sender: Sender | null): Stream {
    const stream = new Stream(topic, this.#epochOf(topic), sender ?? 'app')
    if (sender !== null) sender.references++
    stream.isSubscribed = this.#silent.delete(topic)
    if (stream.isSubscribed) this.#subscribedCount++
    this.#touch(stream)
    // The stream is the most recently used one by now, so it stays.
    this.#boundTopics()
    // Expiry must not keep the process alive.
    if (!this.#isClosed) this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
    return stream
  }

  /** Marks the stream as most recently used, and starts keeping it if it is new. */
  #touch (stream: Stream): void {
    if (stream !== this.#latest) {
      this.#streams.delete(stream.topic)
      this.#streams.set(stream.topic, stream)
      this.#latest = stream
    }
    stream.usedAt = performance.now()
  }

  /** Charges a stream without members to the client that began it, as its most recently used. */
  #charge (stream: Stream, sender: Sender): void {
    sender.begun.delete(stream)
    if (stream.isSubscribed) return
    sender.begun.add(stream)
    let messages = 0
    for (const oldest of sender.begun) {
      if (sender.begun.size <= this.#limits.maxTopicsPerSender) break
      messages += oldest.length
      this.#forget(oldest)
    }
    if (messages > 0) this.#onEvicted(messages)
  }

  /** Stops charging a stream to the client that began it, once it has a second publisher. */
  #share (stream: Stream, sender: Sender | null): void {
    this.#disown(stream)
    stream.owner = sender === null ? 'app' : 'senders'
  }

  #disown (stream: Stream): void {
    if (!(stream.owner instanceof Sender)) return
    stream.owner.begun.delete(stream)
    this.#senders.release(stream.owner)
  }

  #push (stream: Stream, entry: Entry): void {
    const { sender, bytes } = entry
    stream.push(entry)
    this.#bytes += bytes
    if (sender === null) return
    sender.bytes += bytes
    sender.references++
    if (stream.length === 1) sender.fronts.add(stream)
  }

  /** Removes the oldest entry. */
  #shift (stream: Stream): void {
    const { bytes, sender } = stream.shift()
    const next = stream.oldest?.sender ?? null
    this.#bytes -= bytes
    if (next !== sender) next?.fronts.add(stream)
    if (sender === null) return
    if (next !== sender) sender.fronts.delete(stream)
    sender.bytes -= bytes
    this.#senders.release(sender)
  }

  /** Returns the sender after making room in its share by evicting its own oldest messages, if possible. */
  #admit (name: string, bytes: number): Sender {
    const { maxBytesPerSender } = this.#limits
    if (bytes > maxBytesPerSender) throw this.#refuse(largerThanShare())
    const sender = this.#senders.of(name)
    if (sender.bytes + bytes <= maxBytesPerSender) return sender
    const messages = this.#evict(sender, null, () => sender.bytes + bytes > maxBytesPerSender)
    if (messages > 0) this.#onEvicted(messages)
    if (sender.bytes + bytes > maxBytesPerSender) throw this.#refuse(shareUsedUp())
    // Releasing its last message or stream has removed the sender, so create it again.
    return this.#senders.of(name)
  }

  #refuse (error: Error): Error {
    this.#onEvicted(1)
    return error
  }

  /** Evicts a sender's own messages while no others precede them, oldest streams first; returns the number. */
  #evict (sender: Sender, latest: Stream | null, isOver: () => boolean): number {
    let messages = 0
    for (const stream of sender.fronts) {
      const kept = stream === latest ? 1 : 0
      const count = stream.countWhile((entry) => entry.sender === sender) - kept
      for (let n = 0; n < count && isOver(); n++, messages++) this.#shift(stream)
    }
    return messages
  }

  /** Evicts messages of the largest senders first, then of the least recently used streams. A single oversized stream loses its oldest messages. */
  #boundBytes (latest: Stream): void {
    const isOver = () => this.#bytes > this.#limits.maxBytes * BOUNDED_TO
    for (const sender of this.#senders.byBytes()) this.#evict(sender, latest, isOver)
    for (const stream of this.#streams.values()) {
      if (!isOver()) return
      const count = stream === latest ? stream.length - 1 : stream.length
      for (let n = 0; n < count && isOver(); n++) this.#shift(stream)
    }
  }

  #boundTopics (): void {
    const { maxTopics } = this.#limits
    const isOver = () => this.#streams.size - this.#subscribedCount > maxTopics * BOUNDED_TO
    if (this.#streams.size - this.#subscribedCount <= maxTopics) return
    // Evicts several at once: streams with members are skipped, and must not be skipped again each time.
    const candidates = [...this.#senders.byStreams().map(({ begun }) => begun), this.#ofSenders(), this.#streams.values()]
    for (const streams of candidates) {
      for (const stream of streams) {
        if (!isOver()) return
        if (!stream.isSubscribed && stream !== this.#latest) this.#forget(stream)
      }
    }
  }

  * #ofSenders (): Iterable<Stream> {
    for (const stream of this.#streams.values()) if (stream.owner === 'senders') yield stream
  }

  #forget (stream: Stream): void {
    while (stream.length > 0) this.#shift(stream)
    this.#disown(stream)
    this.#streams.delete(stream.topic)
    if (stream === this.#latest) this.#latest = null
    // An old position must not match a stream that begins later under the same name.
    this.#beginnings.forget(stream.topic)
  }

  #expire (stream: Stream, now: number): void {
    while (stream.length > 0 && stream.oldest!.expiresAt <= now) this.#shift(stream)
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

/** Selects the entries of a page: at least one message, if there is one and the limit allows any. */
function slice (stream: Stream, index: number, limit: number, maxBytes: number): StreamDelivery[] {
  const deliveries: StreamDelivery[] = []
  let bytes = 0
  for (let entry; deliveries.length < limit && (entry = stream.at(index)) !== undefined; index++) {
    bytes += entry.bytes
    if (bytes > maxBytes && deliveries.length > 0) break
    deliveries.push(entry.delivery)
  }
  return deliveries
}
