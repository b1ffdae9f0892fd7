import type { Connection } from '../socket/connection.js'
import { compareTexts } from '../pages.js'
import type { Delivery, Engine, StreamPosition } from '../engine/engine.js'
import { OrderedSet } from '../engine/ordered-set.js'
import { toMessage } from '../protocol/delivery.js'
import { CatchUp, gapFrame, type LiveTopic } from './catch-up.js'
import type { StreamRules } from './stream-rules.js'
import { channelOf, topicOf } from '../topic-names.js'
import { Topic, type Join, type JoinRequest, type PreparedJoin, type StreamState } from './topic.js'

const NOBODY: ReadonlySet<Connection> = new Set()

/**
 * The topics of this node and their members. The engine is subscribed to a topic as long as it has a member or a join in progress
 * here.
 */
export class Topics {
  readonly #topics = new Map<string, Topic>()
  /** Resolves when the earlier catch-ups of a connection have ended. */
  readonly #catchingUp = new WeakMap<Connection, Promise<void>>()
  /** The channels among the topics, ordered by name. */
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
   * Prepares a join of several topics, so that the connection becomes a member of all of them in one turn. Resolves when deliveries of
   * all of them reach this node; the caller must then commit or abandon the join. Joining twice is harmless.
   *
   * @throws WSM_ERR_UNAVAILABLE if a topic or its history is unreachable; there is nothing to abandon then
   */
  async prepare (connection: Connection, requests: readonly JoinRequest[]): Promise<PreparedJoin> {
    const joins = requests.map((request): Join => ({ topic: this.#open(request.topic), request, connection, page: null, hasLeft: false }))
    for (const join of joins) join.topic.joins.add(join)
    const release = () => this.#releaseAll(joins)
    const catchUps: CatchUp[] = []
    try {
      await Promise.all(joins.map((join) => this.#prepare(join)))
    } catch (error) {
      release()
      throw error
    }
    return {
      commit: () => {
        const states = connection.isOpen ? joins.filter(({ hasLeft }) => !hasLeft).map((join) => this.#enter(join, catchUps)) : []
        release()
        return states
      },
      catchUp: async () => {
        if (catchUps.length > 0) await this.#runInTurn(connection, catchUps)
      },
      abandon: release
    }
  }

  /** Removes a connection from a topic at once. Leaving twice is harmless. */
  leave (topic: string, connection: Connection): void {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return
    for (const join of entry.joins) if (join.connection === connection) join.hasLeft = true
    entry.remove(connection)
    this.#release(entry)
  }

  /** Returns a member's state in the stream; null: not a member. */
  stateOf (topic: string, connection: Connection): StreamState | null {
    const entry = this.#topics.get(topic)
    const position = entry?.positionOf(connection) ?? null
    return position === null ? null : { topic, position: entry!.isKept ? position : null, recovered: false, missed: 0 }
  }

  has (topic: string, connection: Connection): boolean {
    return this.#topics.get(topic)?.positionOf(connection) != null
  }

  /** Channels with at least one member on this node, by name; with `after` only those after that name. */
  * channels (after: string | null = null): IterableIterator<{ channel: string, clients: number }> {
    for (const channel of this.#channels.values(after)) {
      const { size } = this.#topics.get(topicOf.channel(channel))!
      if (size > 0) yield { channel, clients: size }
    }
  }

  /** Open members, including those that are catching up, without the excepted ids. */
  members (topic: string, except: readonly string[] = []): Connection[] {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return []
    return [...entry.members, ...entry.catchUps?.keys() ?? []].filter(({ isOpen, id }) => isOpen && !except.includes(id))
  }

  /** Number of those members. Hot: runs for every message that the app sends. */
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
    // A delivery that arrived before this continuation is newer.
    topic.position ??= position
  }

  /** Ends joins, whether or not they were committed. Releasing twice is harmless. */
  #releaseAll (joins: readonly Join[]): void {
    for (const join of joins) {
      join.topic.joins.delete(join)
      this.#release(join.topic)
    }
  }

  /** Drops a topic that has neither members nor joins in progress. */
  #release (topic: Topic): void {
    if (topic.size > 0 || topic.joins.size > 0 || this.#topics.get(topic.name) !== topic) return
    this.#topics.delete(topic.name)
    const channel = channelOf(topic.name)
    if (channel !== null) this.#channels.delete(channel)
    this.#engine.unsubscribe(topic.name)
  }

  /** Runs catch-ups one after the other, so that a connection holds one page at a time, however many topics it has joined. */
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

  /** Waits until the topic is ready, and checks whether the history still has everything that the connection missed. */
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

  /** Makes the connection a member: live at once, or with a catch-up that the caller runs. */
  #enter ({ topic, connection, page }: Join, catchUps: CatchUp[]): StreamState {
    const isMember = topic.positionOf(connection) !== null
    if (page === null || !page.isComplete) {
      if (!isMember) topic.members.add(connection)
      const position = topic.positionOf(connection)!
      return { topic: topic.name, position: topic.isKept ? position : null, recovered: false, missed: 0 }
    }
    topic.remove(connection)
    const { from, top } = page
    const catchUp = new CatchUp({ engine: this.#engine, topic: topic as LiveTopic, connection, since: from }, (done) => topic.goLive(connection, done))
    if (catchUp.isThere) {
      topic.goLive(connection, catchUp)
    } else {
      topic.catchUp(connection, catchUp)
      // Run later: the client must first be told that messages follow.
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
    // Members that are catching up read messages with a position from the history.
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

  /** Sends a gap frame to the live members: messages between nodes were lost. Members that are catching up detect the gap themselves. */
  #break (name: string, position: StreamPosition): void {
    const topic = this.#topics.get(name)
    if (topic === undefined) return
    topic.position = position
    topic.ahead = null
    if (!topic.isKept) return
    const frame = gapFrame(name, position)
    for (const connection of topic.members) connection.send(frame)
  }
}
