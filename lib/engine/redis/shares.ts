import type { HistoryBounds, Publication, Retention } from '../engine.js'
import { largerThanShare, shareUsedUp } from '../used-share.js'
import { Holding } from './holding.js'

export interface ShareActions {
  /**
   * Removes a sender's own messages from the front of a history, up to that offset; at least `keep` messages stay. Resolves to
   * the number removed, and the offset before which the history is empty.
   */
  cut: (topic: string, sender: string, through: number, keep: number) => Promise<{ messages: number, first: number }>
  /** Removes all messages from a history whose latest message has that offset. */
  clear: (topic: string, offset: number) => Promise<void>
  /** Removes a stream whose latest message has that offset; resolves to its number of messages, or null if it is in use. */
  forget: (topic: string, offset: number) => Promise<number | null>
  /** Called with the number of messages evicted or refused because a sender's share was used up. */
  evicted: (messages: number) => void
  fail: (error: unknown) => void
}

/** Fraction of a limit that eviction shrinks to; the rest is removed from Redis in one batch. */
const BOUNDED_TO = 0.99
/** Interval at which expired entries are removed from the counts. */
const SWEEP_MS = 30_000
/** Usage of a sender's share above which its oldest messages are evicted in advance: Redis takes a while, and the next publication does not wait. */
const CUT_FROM = 0.95
const CUT_TO = 0.9
/** Minimum interval between expiry checks of a sender whose share is used up. */
const EXPIRE_MS = 1_000

/** Upper bound of this node's publications in one history; other nodes may have displaced some. */
class Held {
  bytes = 0
  #count = 0
  #expiresAt = 0

  /** Returns the growth. */
  add (bytes: number, { size, ttlMs }: Retention): number {
    const before = this.bytes
    this.bytes += bytes
    if (++this.#count > size) this.bytes -= this.bytes / this.#count--
    this.#expiresAt = Math.max(this.#expiresAt, performance.now() + ttlMs)
    return this.bytes - before
  }

  /** Returns the shrinkage. */
  take (bytes: number): number {
    const taken = Math.min(bytes, this.bytes)
    this.bytes -= taken
    if (this.bytes === 0) this.#count = 0
    return taken
  }

  /** Adds the counts of another one. */
  join (other: Held): void {
    this.bytes += other.bytes
    this.#count += other.#count
    this.#expiresAt = Math.max(this.#expiresAt, other.#expiresAt)
  }

  hasExpired (now: number): boolean {
    return this.#expiresAt <= now
  }
}

/** Messages and streams held by one client. */
class Sender {
  readonly name: string
  bytes = 0
  /** Bytes of publications in flight. */
  reserved = 0
  /** Bytes whose eviction is pending in Redis; still counted. */
  asked = 0
  /** By topic, in order of use. */
  readonly holdings = new Map<string, Holding>()
  /** Streams that only it has published to, in order of use. */
  readonly begun = new Set<Topic>()
  /** Those of them that were in use when they were to be evicted: they do not count. */
  readonly inUse = new Set<Topic>()
  #expiredAt = performance.now()

  constructor (name: string) {
    this.name = name
  }

  get isIdle (): boolean {
    return this.holdings.size === 0 && this.begun.size === 0 && this.inUse.size === 0 && this.reserved === 0
  }

  hold (topic: string, bytes: number, offset: number, retention: Retention): void {
    const holding = this.holdings.get(topic) ?? new Holding()
    this.holdings.delete(topic)
    this.holdings.set(topic, holding)
    this.#change(topic, holding, () => holding.add(bytes, offset, retention))
  }

  /** Returns the number of bytes removed. */
  dropBefore (topic: string, holding: Holding, first: number): number {
    const { bytes } = holding
    this.#change(topic, holding, () => holding.dropBefore(first))
    return bytes - holding.bytes
  }

  release (topic: string): void {
    const holding = this.holdings.get(topic)
    if (holding !== undefined) this.dropBefore(topic, holding, Infinity)
  }

  /** Releases expired messages, at most once per `everyMs`. */
  expire (now: number, everyMs: number): void {
    if (now - this.#expiredAt < everyMs) return
    this.#expiredAt = now
    for (const [topic, holding] of this.holdings) {
      this.#change(topic, holding, () => holding.expire(now))
      // Messages that precede them may have expired, too.
      holding.isStuck = false
    }
  }

  #change (topic: string, holding: Holding, change: () => void): void {
    const before = holding.bytes
    change()
    this.bytes += holding.bytes - before
    if (holding.bytes === 0 && this.holdings.get(topic) === holding) this.holdings.delete(topic)
  }
}

class Topic extends Held {
  readonly name: string
  /** Offset of the latest message published here. */
  offset: number
  usedAt = 0
  owner: Sender | 'senders' | 'app'

  constructor (name: string, offset: number, owner: Topic['owner']) {
    super()
    this.name = name
    this.offset = offset
    this.owner = owner
  }
}

/** Counts what this node has published to Redis, and evicts it when over a limit. See `HistoryBounds`. */
export class Shares {
  readonly #bounds: HistoryBounds
  readonly #positionTtlMs: number
  readonly #actions: ShareActions
  /** By last publication of this node, least recent first. */
  readonly #topics = new Map<string, Topic>()
  /** Those with several clients. */
  readonly #shared = new Set<Topic>()
  readonly #senders = new Map<string, Sender>()
  readonly #timer: NodeJS.Timeout
  #latest: Topic | null = null
  #bytes = 0
  /** Bytes of them whose eviction is pending in Redis. */
  #asked = 0

  constructor (bounds: HistoryBounds, positionTtlMs: number, actions: ShareActions) {
    this.#bounds = bounds
    this.#positionTtlMs = positionTtlMs
    this.#actions = actions
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS)
  }

  /**
   * Reserves room for a sender's publication, evicting its own oldest messages if needed. Messages behind those of others count
   * until Redis confirms that they are gone.
   *
   * @throws WSM_ERR_RATE_LIMITED if there is no room
   */
  reserve (senderName: string, bytes: number): void {
    const { maxBytesPerSender } = this.#bounds
    if (bytes > maxBytesPerSender) throw this.#refuse(largerThanShare())
    const sender = this.#senderOf(senderName)
    const over = (part: number) => sender.bytes + sender.reserved + bytes - maxBytesPerSender * part
    if (over(CUT_FROM) > 0) sender.expire(performance.now(), EXPIRE_MS)
    if (over(CUT_FROM) - sender.asked > 0) this.#cut(sender, over(CUT_TO) - sender.asked, true)
    if (over(1) > 0) throw this.#refuse(shareUsedUp())
    sender.reserved += bytes
  }

  /** Releases the reservation of a failed publication. */
  unreserve (senderName: string, bytes: number): void {
    this.#senderOf(senderName).reserved -= bytes
  }

  /** Counts a publication that is now in its stream; room for a sender's was reserved. Hot: runs for every publication with history. */
  published ({ topic: name, json, sender: senderName }: Publication, retention: Retention, offset: number): void {
    const sender = senderName === undefined ? null : this.#senderOf(senderName)
    const topic = this.#topics.get(name) ?? this.#add(new Topic(name, offset - 1, offset === 1 ? sender ?? 'app' : 'senders'))
    this.#use(topic, sender, offset)
    const bytes = Buffer.byteLength(json)
    this.#bytes += topic.add(bytes, retention)
    if (sender !== null) {
      sender.reserved -= bytes
      sender.hold(name, bytes, offset, retention)
    }
    if (this.#bytes > this.#bounds.maxBytes) this.#boundBytes()
    if (this.#topics.size > this.#bounds.maxTopics) this.#boundTopics()
  }

  close (): void {
    clearInterval(this.#timer)
    for (const part of [this.#topics, this.#shared, this.#senders]) part.clear()
  }

  #refuse (error: Error): Error {
    this.#actions.evicted(1)
    return error
  }

  #senderOf (name: string): Sender {
    let sender = this.#senders.get(name)
    if (sender === undefined) this.#senders.set(name, sender = new Sender(name))
    return sender
  }

  #add (topic: Topic): Topic {
    this.#topics.set(topic.name, topic)
    if (topic.owner === 'senders') this.#shared.add(topic)
    return topic
  }

  /** Marks a stream as most recently used, and as the app's or shared once somebody else has published to it. */
  #use (topic: Topic, sender: Sender | null, offset: number): void {
    const isOwn = topic.owner === 'app' || (topic.owner === sender && offset === topic.offset + 1)
    topic.offset = offset
    topic.usedAt = performance.now()
    if (topic !== this.#latest) {
      this.#topics.delete(topic.name)
      this.#topics.set(topic.name, topic)
      this.#latest = topic
    }
    if (!isOwn) this.#own(topic, sender === null ? 'app' : 'senders')
    if (sender === null || topic.owner !== sender) return
    sender.inUse.delete(topic)
    sender.begun.delete(topic)
    sender.begun.add(topic)
    if (sender.begun.size <= this.#bounds.maxTopicsPerSender) return
    const [oldest] = sender.begun
    this.#forget(oldest!).then((messages) => this.#actions.evicted(messages), this.#actions.fail)
  }

  #own (topic: Topic, owner: 'senders' | 'app'): void {
    this.#disown(topic)
    topic.owner = owner
    if (owner === 'senders') this.#shared.add(topic)
    else this.#shared.delete(topic)
  }

  #disown (topic: Topic): void {
    if (!(topic.owner instanceof Sender)) return
    topic.owner.begun.delete(topic)
    topic.owner.inUse.delete(topic)
  }

  /** Requests the eviction of that many bytes of a sender, where no messages of others are affected. */
  #cut (sender: Sender, bytes: number, isOverShare: boolean): void {
    for (const [name, holding] of sender.holdings) {
      if (bytes <= 0) return
      if (holding.isStuck) continue
      const wanted = Math.min(bytes, holding.bytes)
      bytes -= wanted
      const through = holding.offsetFor(wanted)
      const keep = !isOverShare && name === this.#latest?.name ? 1 : 0
      const asked = this.#actions.cut(name, sender.name, through, keep)
      // In a stream that only it has published to, nothing else can be in front.
      const isCertain = this.#topics.get(name)?.owner === sender
      if (isCertain) this.#dropBefore(sender, name, holding, through + 1 - keep)
      else {
        holding.isStuck = true
        this.#ask(sender, wanted)
      }
      asked.then(({ messages, first }) => {
        if (isOverShare) this.#actions.evicted(messages)
        if (isCertain) return
        this.#ask(sender, -wanted)
        this.#dropBefore(sender, name, holding, first)
        holding.isStuck = first <= through
      }, (error) => {
        if (!isCertain) this.#ask(sender, -wanted)
        holding.isStuck = false
        this.#actions.fail(error)
      })
    }
  }

  #ask (sender: Sender, bytes: number): void {
    sender.asked += bytes
    this.#asked += bytes
  }

  #dropBefore (sender: Sender, name: string, holding: Holding, first: number): void {
    const bytes = sender.dropBefore(name, holding, first)
    this.#bytes -= this.#topics.get(name)?.take(bytes) ?? 0
  }

  #boundBytes (): void {
    const over = () => this.#bytes - this.#asked - this.#bounds.maxBytes * BOUNDED_TO
    const senders = [...this.#senders.values()].sort((a, b) => b.bytes - a.bytes)
    for (const sender of senders) if (over() > 0) this.#cut(sender, over(), false)
    for (const topic of this.#topics.values()) {
      if (over() <= 0) return
      if (topic !== this.#latest) this.#clear(topic)
    }
  }

  #clear (topic: Topic): void {
    if (topic.bytes === 0) return
    this.#bytes -= topic.take(topic.bytes)
    for (const sender of this.#senders.values()) sender.release(topic.name)
    this.#actions.clear(topic.name, topic.offset).catch(this.#actions.fail)
  }

  #boundTopics (): void {
    const most = this.#bounds.maxTopics * BOUNDED_TO
    const begun = [...this.#senders.values()].map((sender) => [...sender.inUse, ...sender.begun]).sort((a, b) => b.length - a.length)
    for (const topics of [...begun, this.#shared, this.#topics.values()]) {
      for (const topic of topics) {
        if (this.#topics.size <= most) return
        if (topic !== this.#latest) this.#forget(topic).catch(this.#actions.fail)
      }
    }
  }

  /** Its messages count until Redis confirms that they are gone. */
  async #forget (topic: Topic): Promise<number> {
    this.#unlist(topic)
    let messages: number | null = null
    try {
      messages = await this.#actions.forget(topic.name, topic.offset)
    } finally {
      if (messages === null) this.#keep(topic)
      else this.#release(topic)
    }
    return messages ?? 0
  }

  /** Tracks a stream again that could not be removed: it is in use, or Redis did not answer. */
  #keep (topic: Topic): void {
    const current = this.#topics.get(topic.name)
    if (current !== undefined) return current.join(topic)
    this.#add(topic)
    if (topic.owner instanceof Sender) topic.owner.inUse.add(topic)
  }

  #unlist (topic: Topic): void {
    this.#topics.delete(topic.name)
    this.#shared.delete(topic)
    this.#disown(topic)
  }

  #release (topic: Topic): void {
    this.#bytes -= topic.take(topic.bytes)
    for (const sender of this.#senders.values()) sender.release(topic.name)
  }

  #sweep (): void {
    const now = performance.now()
    for (const sender of this.#senders.values()) {
      sender.expire(now, 0)
      if (sender.isIdle) this.#senders.delete(sender.name)
    }
    for (const topic of this.#topics.values()) {
      if (topic.hasExpired(now)) this.#bytes -= topic.take(topic.bytes)
      if (now - topic.usedAt > this.#positionTtlMs) {
        this.#unlist(topic)
        this.#release(topic)
      }
    }
  }
}
