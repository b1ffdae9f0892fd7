import type { HistoryBounds, Publication, Retention } from '../engine.js'

export interface ShareActions {
  /** Takes a sender's own messages from the front of a history, `keep` at the least stay; how many bytes and messages went. */
  cut: (topic: string, sender: string, bytes: number, keep: number) => Promise<{ bytes: number, messages: number }>
  /** Takes all messages from a history; with an offset only where it is the latest. */
  clear: (topic: string, offset: number | null) => Promise<void>
  /** Removes a stream whose latest message has that offset; how many messages it had, or null: it is in use. */
  forget: (topic: string, offset: number) => Promise<number | null>
  /** Called with how many messages a sender has lost that was over its share. */
  evicted: (messages: number) => void
  fail: (error: unknown) => void
}

/** Fraction of a limit that eviction shrinks to; the rest is removed from Redis in one go. */
const BOUNDED_TO = 0.99
/** How often expired entries are taken out of the counts. */
const SWEEP_MS = 30_000

/** Upper bound of what this node's publications hold in one history; other nodes may have pushed some of it out. */
class Held {
  bytes = 0
  #count = 0
  #expiresAt = 0

  /** Returns by how much it has grown. */
  add (bytes: number, { size, ttlMs }: Retention): number {
    const before = this.bytes
    this.bytes += bytes
    if (++this.#count > size) this.bytes -= this.bytes / this.#count--
    this.#expiresAt = Math.max(this.#expiresAt, performance.now() + ttlMs)
    return this.bytes - before
  }

  /** Returns by how much it has shrunk. */
  take (bytes: number): number {
    const taken = Math.min(bytes, this.bytes)
    this.bytes -= taken
    if (this.bytes === 0) this.#count = 0
    return taken
  }

  hasExpired (now: number): boolean {
    return this.#expiresAt <= now
  }
}

/** What one client's frames hold. */
class Sender {
  readonly name: string
  bytes = 0
  /** By topic, in order of use. */
  readonly held = new Map<string, Held>()
  /** Topics in which messages of others are before its own. */
  readonly stuck = new Set<string>()
  /** Streams that it alone has published to, in order of use. */
  readonly begun = new Set<Topic>()

  constructor (name: string) {
    this.name = name
  }
}

class Topic extends Held {
  readonly name: string
  /** Of the latest message that was published here. */
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

/** Counts what this node has published into Redis, and takes it out again where it is too much. See `HistoryBounds`. */
export class Shares {
  readonly #bounds: HistoryBounds
  readonly #positionTtlMs: number
  readonly #actions: ShareActions
  /** By when this node published to them last, longest ago first. */
  readonly #topics = new Map<string, Topic>()
  /** Those of several clients. */
  readonly #shared = new Set<Topic>()
  readonly #senders = new Map<string, Sender>()
  readonly #timer: NodeJS.Timeout
  #latest: Topic | null = null
  #bytes = 0

  constructor (bounds: HistoryBounds, positionTtlMs: number, actions: ShareActions) {
    this.#bounds = bounds
    this.#positionTtlMs = positionTtlMs
    this.#actions = actions
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS)
  }

  /** A publication is in its stream. Hot: runs for every one that is kept. */
  published ({ topic: name, json, sender: senderName }: Publication, retention: Retention, offset: number): void {
    const sender = senderName === undefined ? null : this.#senderOf(senderName)
    const topic = this.#topics.get(name) ?? this.#add(new Topic(name, offset - 1, offset === 1 ? sender ?? 'app' : 'senders'))
    this.#use(topic, sender, offset)
    const bytes = Buffer.byteLength(json)
    this.#bytes += topic.add(bytes, retention)
    if (sender !== null) this.#hold(sender, name, bytes, retention)
    if (this.#bytes > this.#bounds.maxBytes) this.#boundBytes()
    if (this.#topics.size > this.#bounds.maxTopics) this.#boundTopics()
  }

  close (): void {
    clearInterval(this.#timer)
    for (const part of [this.#topics, this.#shared, this.#senders]) part.clear()
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

  /** Makes it the one that was used last, and the app's or that of several where somebody else has published to it. */
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
    sender.begun.delete(topic)
    sender.begun.add(topic)
    if (sender.begun.size <= this.#bounds.maxTopicsPerSender) return
    const [oldest] = sender.begun
    this.#forget(oldest!).then((messages) => this.#actions.evicted(messages), this.#actions.fail)
  }

  #own (topic: Topic, owner: 'senders' | 'app'): void {
    if (topic.owner instanceof Sender) topic.owner.begun.delete(topic)
    topic.owner = owner
    if (owner === 'senders') this.#shared.add(topic)
    else this.#shared.delete(topic)
  }

  #hold (sender: Sender, topic: string, bytes: number, retention: Retention): void {
    const held = sender.held.get(topic) ?? new Held()
    sender.held.delete(topic)
    sender.held.set(topic, held)
    sender.bytes += held.add(bytes, retention)
    if (sender.bytes > this.#bounds.maxBytesPerSender) this.#cut(sender, sender.bytes - this.#bounds.maxBytesPerSender * BOUNDED_TO, true)
  }

  /** Takes so much of what a sender holds, where nothing of others goes with it. */
  #cut (sender: Sender, bytes: number, isOverShare: boolean): void {
    for (const [name, held] of sender.held) {
      if (bytes <= 0) return
      if (sender.stuck.has(name)) continue
      const wanted = Math.min(bytes, held.bytes)
      bytes -= wanted
      this.#take(sender, name, held, wanted)
      this.#actions.cut(name, sender.name, wanted, name === this.#latest?.name ? 1 : 0).then((gone) => {
        if (isOverShare) this.#actions.evicted(gone.messages)
        if (gone.bytes < wanted) this.#putBack(sender, name, held, wanted - gone.bytes)
      }, this.#actions.fail)
    }
  }

  #take (sender: Sender, name: string, held: Held, bytes: number): void {
    sender.bytes -= held.take(bytes)
    if (held.bytes === 0) sender.held.delete(name)
    this.#bytes -= this.#topics.get(name)?.take(bytes) ?? 0
  }

  /** Counts again what could not be cut, since messages of others are before it. It stays until it expires or `maxBytes` is exceeded. */
  #putBack (sender: Sender, name: string, held: Held, bytes: number): void {
    const topic = this.#topics.get(name)
    if (topic === undefined) return
    sender.stuck.add(name)
    if (!sender.held.has(name)) sender.held.set(name, held)
    held.bytes += bytes
    sender.bytes += bytes
    topic.bytes += bytes
    this.#bytes += bytes
  }

  #boundBytes (): void {
    const { maxBytes, maxBytesPerSender } = this.#bounds
    const over = () => this.#bytes - maxBytes * BOUNDED_TO
    const senders = [...this.#senders.values()].sort((a, b) => b.bytes - a.bytes)
    for (const sender of senders) if (over() > 0) this.#cut(sender, over(), false)
    for (const { stuck, bytes } of senders) {
      if (bytes > maxBytesPerSender) for (const name of stuck) if (over() > 0) this.#clear(this.#topics.get(name), false)
    }
    for (const topic of this.#topics.values()) {
      if (over() <= 0) return
      if (topic !== this.#latest) this.#clear(topic, true)
    }
  }

  #clear (topic: Topic | undefined, isGuarded: boolean): void {
    if (topic === undefined || topic.bytes === 0) return
    this.#bytes -= topic.take(topic.bytes)
    for (const sender of this.#senders.values()) this.#release(sender, topic.name)
    this.#actions.clear(topic.name, isGuarded ? topic.offset : null).catch(this.#actions.fail)
  }

  #release (sender: Sender, topic: string): void {
    const held = sender.held.get(topic)
    if (held !== undefined) sender.bytes -= held.bytes
    sender.held.delete(topic)
    sender.stuck.delete(topic)
  }

  #boundTopics (): void {
    const most = this.#bounds.maxTopics * BOUNDED_TO
    const senders = [...this.#senders.values()].sort((a, b) => b.begun.size - a.begun.size)
    for (const topics of [...senders.map(({ begun }) => begun), this.#shared, this.#topics.values()]) {
      for (const topic of topics) {
        if (this.#topics.size <= most) return
        if (topic !== this.#latest) this.#forget(topic).catch(this.#actions.fail)
      }
    }
  }

  async #forget (topic: Topic): Promise<number> {
    this.#drop(topic)
    let messages: number | null = null
    try {
      messages = await this.#actions.forget(topic.name, topic.offset)
    } finally {
      if (messages === null) this.#keep(topic)
    }
    return messages ?? 0
  }

  /** Tracks a stream again that could not be removed: it is in use, or Redis did not answer. */
  #keep (topic: Topic): void {
    topic.owner = topic.owner === 'app' ? 'app' : 'senders'
    if (!this.#topics.has(topic.name)) this.#add(topic)
  }

  #drop (topic: Topic): void {
    this.#topics.delete(topic.name)
    this.#shared.delete(topic)
    if (topic.owner instanceof Sender) topic.owner.begun.delete(topic)
    this.#bytes -= topic.take(topic.bytes)
    for (const sender of this.#senders.values()) this.#release(sender, topic.name)
  }

  #sweep (): void {
    const now = performance.now()
    for (const sender of this.#senders.values()) {
      for (const [name, held] of sender.held) if (held.hasExpired(now)) this.#release(sender, name)
      if (sender.held.size === 0 && sender.begun.size === 0) this.#senders.delete(sender.name)
    }
    for (const topic of this.#topics.values()) {
      if (topic.hasExpired(now)) this.#bytes -= topic.take(topic.bytes)
      if (now - topic.usedAt > this.#positionTtlMs) this.#drop(topic)
    }
  }
}
