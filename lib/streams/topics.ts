import type { Connection } from '../socket/connection.js'
import { compareTexts } from '../pages.js'
import type { Delivery, Engine, Position } from '../engine/engine.js'
import { OrderedSet } from '../engine/ordered-set.js'
import { toMessage } from '../protocol/delivery.js'
import { CatchUp, gapFrame, type LiveTopic } from './catch-up.js'
import type { StreamRules } from './stream-rules.js'
import { channelOf, topicOf } from '../topic-names.js'
import { Topic, type Join, type JoinRequest } from './topic.js'

/** Where a connection is in a topic's stream. */
export interface StreamState {
  topic: string
  /** null: the topic is not kept. */
  position: Position | null
  /** True if everything behind `position` follows. */
  recovered: boolean
  /** How many messages of the history follow. */
  missed: number
}

const NOBODY: ReadonlySet<Connection> = new Set()

/**
 * Which connections of this node are members of which topic. The engine is subscribed to a topic while it has a member
 * here, or one on its way.
 */
export class Topics {
  readonly #topics = new Map<string, Topic>()
  /** Settles when the earlier catch-ups of a connection have ended. */
  readonly #catchingUp = new WeakMap<Connection, Promise<void>>()
  /** The channels among them, by name. */
  readonly #channels = new OrderedSet<string>(compareTexts)
  readonly #engine: Engine
  readonly #rules: StreamRules

  constructor (engine: Engine, rules: StreamRules) {
    this.#engine = engine
    this.#rules = rules
    engine.onDelivery((delivery) => this.#deliver(delivery))
    engine.onBreak((topic, position) => this.#break(topic, position))
  }

  /**
   * Makes the connection a member of topics, of all in one moment: when each of them reaches this node, `commit` is called;
   * with the `enter` that it is handed the connection becomes a member, and what it says then comes before any message of
   * the topics. Not called when the connection has ended meanwhile; a topic that it has left meanwhile is passed over.
   * Resolves when the history that was asked for has been sent. Joining twice is harmless.
   */
  async join (connection: Connection, requests: readonly JoinRequest[], commit: (enter: () => StreamState[]) => void): Promise<void> {
    const joins = requests.map((request): Join => ({ topic: this.#open(request.topic), request, connection, page: null, hasLeft: false }))
    for (const join of joins) join.topic.joins.add(join)
    const catchUps: CatchUp[] = []
    let caughtUp: Promise<unknown> | null = null
    try {
      await Promise.all(joins.map((join) => this.#prepare(join)))
      if (connection.isOpen) {
        commit(() => joins.filter(({ hasLeft }) => !hasLeft).map((join) => this.#enter(join, catchUps)))
        if (catchUps.length > 0) caughtUp = this.#runInTurn(connection, catchUps)
      }
    } finally {
      for (const join of joins) {
        join.topic.joins.delete(join)
        this.#release(join.topic)
      }
    }
    await caughtUp
  }

  /** From now on nothing of the topic reaches the connection. Leaving twice is harmless. */
  leave (topic: string, connection: Connection): void {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return
    for (const join of entry.joins) if (join.connection === connection) join.hasLeft = true
    entry.remove(connection)
    this.#release(entry)
  }

  /** Where a member is in the stream; null where it is no member. */
  stateOf (topic: string, connection: Connection): StreamState | null {
    const entry = this.#topics.get(topic)
    const position = entry?.positionOf(connection) ?? null
    return position === null ? null : { topic, position: entry!.isKept ? position : null, recovered: false, missed: 0 }
  }

  has (topic: string, connection: Connection): boolean {
    return this.#topics.get(topic)?.positionOf(connection) != null
  }

  /** Channels with at least one member here, by name; with `after` those behind that name. */
  * channels (after: string | null = null): IterableIterator<{ channel: string, clients: number }> {
    for (const channel of this.#channels.values(after)) {
      const { size } = this.#topics.get(topicOf.channel(channel))!
      if (size > 0) yield { channel, clients: size }
    }
  }

  /** The open members, those that are still catching up included, without those named. */
  members (topic: string, except: readonly string[] = []): Connection[] {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return []
    return [...entry.members, ...entry.catchUps?.keys() ?? []].filter(({ isOpen, id }) => isOpen && !except.includes(id))
  }

  /** How many those are. Hot: runs for every message that the app sends. */
  count (topic: string, except?: readonly string[]): number {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return 0
    if (entry.catchUps !== null) return this.members(topic, except).length
    let count = 0
    for (const { isOpen, id } of entry.members) if (isOpen && except?.includes(id) !== true) count++
    return count
  }

  #open (name: string): Topic {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = new Topic(name, this.#rules.of(name))
      this.#topics.set(name, topic)
      const channel = channelOf(name)
      if (channel !== null) this.#channels.add(channel)
      topic.ready = this.#subscribe(topic)
    }
    return topic
  }

  async #subscribe (topic: Topic): Promise<void> {
    const position = await this.#engine.subscribe(topic.name)
    // What was delivered before this was continued is ahead of it.
    topic.position ??= position
  }

  /** A topic that nobody is in or on the way to any more. */
  #release (topic: Topic): void {
    if (topic.size > 0 || topic.joins.size > 0 || this.#topics.get(topic.name) !== topic) return
    this.#topics.delete(topic.name)
    const channel = channelOf(topic.name)
    if (channel !== null) this.#channels.delete(channel)
    this.#engine.unsubscribe(topic.name)
  }

  /** One after the other, so that a connection holds one page at a time, however many topics it has come into. */
  #runInTurn (connection: Connection, catchUps: readonly CatchUp[]): Promise<void> {
    const before = this.#catchingUp.get(connection)
    const run = async () => {
      await before
      for (const catchUp of catchUps) await catchUp.run()
    }
    const caughtUp = run()
    this.#catchingUp.set(connection, caughtUp)
    return caughtUp
  }

  /** Waits until the topic reaches this node, and looks whether the history reaches what the connection may have missed. */
  async #prepare (join: Join): Promise<void> {
    const { topic, request: { since } } = join
    await topic.ready
    if (!topic.isKept) return
    if (topic.rule.latest) {
      const { epoch, offset } = topic.position!
      const isFromStart = since === 'start'
      const hasLatest = !isFromStart && since?.epoch === epoch && since.offset === offset
      if (offset > 0 && !hasLatest && (isFromStart || topic.positionOf(join.connection) === null)) {
        join.request = { ...join.request, since: { epoch, offset: offset - 1 } }
      }
    }
    const { since: from, notBefore = 0 } = join.request
    if (from === null || (from === 'start' && !topic.rule.fromStart)) return
    join.page = await this.#engine.history(topic.name, from === 'start' ? null : from, 0, { notBefore })
  }

  /** In one turn with what the caller tells the client. */
  #enter ({ topic, connection, page }: Join, catchUps: CatchUp[]): StreamState {
    const isMember = topic.positionOf(connection) !== null
    if (page === null || !page.isComplete) {
      if (!isMember) topic.members.add(connection)
      const position = topic.positionOf(connection)!
      return { topic: topic.name, position: topic.isKept ? position : null, recovered: false, missed: 0 }
    }
    topic.remove(connection)
    const { from, top } = page
    const catchUp = new CatchUp(this.#engine, topic as LiveTopic, connection, from, (done) => topic.goLive(connection, done))
    if (catchUp.isThere) {
      topic.goLive(connection, catchUp)
    } else {
      topic.catchUp(connection, catchUp)
      // Not run in this call: the client is told first that something follows.
      catchUps.push(catchUp)
    }
    return { topic: topic.name, position: from, recovered: true, missed: top.offset - from.offset }
  }

  #deliver (delivery: Delivery): void {
    const topic = this.#topics.get(delivery.topic)
    if (topic === undefined) return
    const { position, except } = delivery
    if (position !== null) topic.position = position
    const { members, ahead } = topic
    // Who is catching up finds what has a position in the history.
    const others = position === null && topic.catchUps !== null ? topic.catchUps.keys() : NOBODY
    if (members.size === 0 && others === NOBODY) return
    const message = toMessage(delivery)
    for (const connection of members) {
      if (except !== undefined && except.includes(connection.id)) continue
      if (ahead !== null && position !== null && topic.hasAlready(connection, position)) continue
      connection.send(message)
    }
    for (const connection of others) if (except?.includes(connection.id) !== true) connection.send(message)
  }

  /** Messages were lost between the nodes: whoever is there is told. Who is catching up finds out by itself. */
  #break (name: string, position: Position): void {
    const topic = this.#topics.get(name)
    if (topic === undefined) return
    topic.position = position
    topic.ahead = null
    if (!topic.isKept) return
    const frame = gapFrame(name, position)
    for (const connection of topic.members) connection.send(frame)
  }
}
