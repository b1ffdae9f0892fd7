import type { FastifyBaseLogger } from 'fastify'
import { channelOf } from '../../topic-names.js'
import type { Delivery, Engine, EngineContext, HistoryPage, PageBounds, StreamPosition, Publication, Retention } from '../engine.js'
import { FaultNames, isUnnamed } from './access.js'
import { RedisCallStore } from './calls.js'
import type { ClientFactory } from './client.js'
import { RedisClock } from './clock.js'
import { RedisCluster } from './cluster.js'
import { Commands } from './commands.js'
import { SETTLED_STREAM, RedisConfirmationStore } from './confirmations.js'
import { Connectivity } from './connectivity.js'
import { Deadline, unavailable } from './deadline.js'
import { tryDirectCommands } from './direct-commands.js'
import { refuseEviction } from './eviction.js'
import { Keys } from './keys.js'
import { refuseUnknownLayout } from './layouts.js'
import { Lineage } from './lineage.js'
import { Link } from './link.js'
import type { RedisEngineOptions } from './options.js'
import { Passages } from './passages.js'
import { RedisPresenceStore } from './presence.js'
import { Probe } from './probe.js'
import { Recovery } from './recovery.js'
import { RedisRevocationStore } from './revocations.js'
import { Streams } from './streams.js'
import { Subscriber } from './subscriber.js'
import { RedisTicketStore } from './tickets.js'
import { decode, unknownLayoutOf } from './wire.js'

/** Fraction of the time-out after which calls end: timers fire late, and the caller must still reply in time. */
const SHARE = 0.95
/** Fraction of a position's lifetime for which streams that have not begun share an epoch. Must be below one half: see `lua.ts`. */
const WINDOW = 0.4
/** Time for other nodes to answer a new node. */
const HELLO_MS = 500
/** Time allowed for releasing the lease, since Redis may be down. */
const LEAVE_MS = 500

/** Engine of many nodes on one Redis. Each node has a connection for commands and one for messages. */
export class RedisEngine implements Engine {
  readonly confirmations: RedisConfirmationStore
  readonly presence: RedisPresenceStore
  readonly revocations: RedisRevocationStore
  readonly tickets: RedisTicketStore
  readonly calls: RedisCallStore
  readonly cluster: RedisCluster
  readonly clock: RedisClock
  readonly #commands: Commands
  readonly #commandLink: Link
  readonly #subscriber: Subscriber
  readonly #connectivity: Connectivity
  readonly #recovery: Recovery
  readonly #lineage: Lineage
  readonly #streams: Streams
  readonly #passages: Passages
  readonly #keys: Keys
  readonly #names: FaultNames
  readonly #probe: Probe
  readonly #timeoutMs: number
  readonly #isCluster: boolean
  readonly #log: FastifyBaseLogger
  #onDelivery: (delivery: Delivery) => void = () => {}
  #onBreak: (topic: string, position: StreamPosition) => void = () => {}
  #onEviction: (messages: number) => void = () => {}
  #closed: Promise<void> | null = null

  constructor (factory: ClientFactory, options: RedisEngineOptions, { retainMs, positionTtlMs, maxRevocations, log, ...bounds }: EngineContext) {
    const { prefix, commandTimeoutMs, leaseMs, checkMs, presenceTtlMs, acceptEviction } = options
    const { isCluster, database } = factory
    const keys = this.#keys = new Keys(prefix, database, isCluster)
    this.#log = log
    this.#isCluster = isCluster
    const timeoutMs = this.#timeoutMs = commandTimeoutMs * SHARE
    this.#commandLink = new Link(factory, timeoutMs, log, {
      onConnect: async () => {},
      onUp: () => this.#reconnected(),
      onDown: () => this.#disconnected()
    })
    const commands = this.#commands = new Commands(this.#commandLink, timeoutMs)
    const clock = this.clock = new RedisClock(log)
    this.cluster = new RedisCluster(commands, keys, clock, { leaseMs, presenceTtlMs, positionTtlMs }, {
      onRenewed: (isForgotten) => this.#recovery.renewed(isForgotten),
      onDead: (dead) => this.presence.removeNode(dead)
    }, log)
    const { nodeId, layouts } = this.cluster
    const lineage = this.#lineage = new Lineage({ commands, cluster: this.cluster, log }, { graceMs: Math.max(leaseMs / 3, commandTimeoutMs) }, {
      onGeneration: (lane) => this.#recovery.wentBack(lane)
    })
    this.#subscriber = new Subscriber(factory, [keys.requests, keys.responses(nodeId)], timeoutMs, log, {
      onMessage: (channel, payload) => this.#receive(channel, payload),
      onUp: () => this.#connectivity.update(),
      onDown: () => this.#disconnected(),
      onRestored: (channels) => this.#recovery.resubscribed(channels),
      onBehind: (isBehind) => this.cluster.health.report('subscriptions', isBehind ? ['subscriptions_behind'] : [])
    })
    const names = this.#names = new FaultNames(keys, isCluster, database)
    this.#connectivity = new Connectivity(this.#commandLink, this.#subscriber.link, this.cluster.health, names, () => this.#passages.giveUp())
    const windowMs = acceptEviction ? 0 : Math.floor(positionTtlMs * WINDOW)
    this.#streams = new Streams({ commands, lineage, layouts, subscriber: this.#subscriber, keys }, { isCluster, nodeId, timeoutMs, checkMs, positionTtlMs, windowMs, bounds }, {
      evicted: (messages) => this.#onEviction(messages),
      deliver: (delivery) => this.#deliver(delivery),
      break: (topic, position) => this.#break(topic, position)
    }, log)
    this.#passages = new Passages(nodeId, timeoutMs, {
      isSubscribed: (topic) => this.#streams.isSubscribed(topic),
      isUpToDate: (topic) => this.#streams.isUpToDate(topic),
      deliver: (delivery) => this.#onDelivery(delivery),
      publish: (publication) => this.#doubting(this.#streams.pass(publication)),
      fail: (error) => log.debug({ err: error }, 'a message without history reached only this node')
    })
    const { publishCommand } = this.#streams
    this.#probe = new Probe(this.#commandLink, keys, { isCluster, publishCommand, timeoutMs, everyMs: leaseMs / 3 }, {
      onResult: (reasons, error) => this.cluster.health.report('probe', reasons, names.describe(error)),
      onRecovered: () => this.cluster.renew()
    })
    commands.onFault(() => this.#probe.soon())
    this.presence = new RedisPresenceStore(commands, keys, {
      nodeId,
      term: () => this.cluster.term,
      isPeer: (id) => this.cluster.peers.alive.has(id),
      leases: () => this.cluster.leases(),
      leaseMs,
      timeoutMs,
      ttlMs: presenceTtlMs,
      publishCommand
    }, log)
    this.confirmations = new RedisConfirmationStore({ commands, lineage, cluster: this.cluster, keys }, { clock, retainMs, positionTtlMs, windowMs, publishCommand, layouts }, log)
    this.tickets = new RedisTicketStore({ lineage, keys, clock }, log)
    this.calls = new RedisCallStore(commands, keys, { leaseMs }, log)
    this.revocations = new RedisRevocationStore({ commands, lineage, keys, clock }, {
      max: maxRevocations,
      isReachable: () => this.#connectivity.isUp && this.cluster.isLeased,
      reachable: () => this.#reachable()
    }, log)
    const { presence, confirmations, revocations, calls } = this
    this.#recovery = new Recovery({ keys, lineage, streams: this.#streams, presence, confirmations, revocations, calls }, log)
  }

  /**
   * Connects, and resolves once the other nodes know this one.
   *
   * @throws WSM_ERR_UNAVAILABLE; WSM_ERR_INVALID_OPTION if Redis may evict keys, has keys of a later version, refuses its user,
   *   or denies it a permission, which the message names
   */
  async open (acceptEviction: boolean): Promise<void> {
    this.#commandLink.open()
    this.#subscriber.link.open()
    const deadline = new Deadline(this.#timeoutMs)
    try {
      await Promise.all([this.#commandLink.opened(deadline), this.#subscriber.link.opened(deadline)])
      await this.#probe.open()
      await tryDirectCommands({ commands: this.#commandLink, messages: this.#subscriber.link, channel: this.#keys.channel('nobody'), isCluster: this.#isCluster }, new Deadline(this.#timeoutMs))
      if (!acceptEviction) await refuseEviction(this.#commandLink, new Deadline(this.#timeoutMs))
      await refuseUnknownLayout(this.#commands, this.#keys)
      // First, so the others know whom to ask.
      await this.cluster.renew()
      await this.cluster.setClock()
      await this.cluster.askPeers('hello', null, HELLO_MS)
      await this.#lineage.ready(this.#lineage.lane(this.#keys.lane(SETTLED_STREAM)))
      await this.#streams.subscribe(SETTLED_STREAM)
      await this.revocations.current()
    } catch (error) {
      throw this.#names.ofStart(error)
    }
  }

  publish (publication: Publication, retention: Retention): Promise<StreamPosition> {
    return this.#doubting(this.#streams.publish(publication, retention))
  }

  async pass (publication: Publication): Promise<boolean> {
    if (this.#closed !== null) return false
    const isPassed = await this.#passages.pass(publication, this.cluster.availability.status !== 'unavailable')
    return isPassed && !this.#connectivity.isDoubtful
  }

  async subscribe (topic: string): Promise<StreamPosition> {
    if (this.#closed !== null) throw unavailable('the engine is closed')
    const deadline = new Deadline(this.#timeoutMs)
    const position = await this.#doubting(this.#streams.subscribe(topic))
    const channel = channelOf(topic)
    if (channel === null || !this.#streams.isSubscribed(topic)) return position
    try {
      await deadline.race(this.presence.watch(channel))
    } catch (error) {
      this.unsubscribe(topic)
      throw error
    }
    return position
  }

  unsubscribe (topic: string): void {
    this.#streams.unsubscribe(topic)
    this.#passages.forget(topic)
    const channel = channelOf(topic)
    if (channel !== null) this.presence.unwatch(channel)
  }

  history (topic: string, since: StreamPosition | null, limit: number, bounds?: PageBounds): Promise<HistoryPage> {
    return this.#streams.history(topic, since, limit, bounds)
  }

  onDelivery (listener: (delivery: Delivery) => void): void {
    this.#onDelivery = listener
  }

  onBreak (listener: (topic: string, position: StreamPosition) => void): void {
    this.#onBreak = listener
  }

  onEviction (listener: (messages: number) => void): void {
    this.#onEviction = listener
  }

  close (): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close (): Promise<void> {
    this.#streams.close()
    this.#passages.close()
    this.presence.close()
    this.confirmations.close()
    this.calls.close()
    this.cluster.close()
    this.#probe.close()
    this.#connectivity.close()
    this.#recovery.close()
    if (this.#commandLink.isUp) await this.#leave()
    this.#commandLink.close()
    this.#subscriber.close()
  }

  /** Releases the lease, so the others need not wait for it to expire. */
  async #leave (): Promise<void> {
    try {
      await new Deadline(LEAVE_MS).race(this.cluster.leave()
        .then((left) => Promise.all([this.presence.removeNode(left), this.#lineage.handOver(LEAVE_MS), this.confirmations.handOver()])))
    } catch (error) {
      this.#log.debug({ err: error }, 'could not release the lease of this node; other nodes wait for it to expire')
    }
  }

  #receive (channel: string, payload: string): void {
    if (!channel.endsWith('}')) {
      if (!this.cluster.receive(channel, payload)) this.#ignore(channel, payload)
      return
    }
    const topic = this.#keys.topicOf(channel)
    const message = decode(topic, payload)
    if (message === null) this.#ignore(channel, payload)
    else if ('delivery' in message) this.#streams.receive(message.delivery, message.sighting)
    else this.presence.receive(message.change)
  }

  #ignore (channel: string, payload: string): void {
    const layout = unknownLayoutOf(payload)
    if (layout === null) this.#log.warn({ channel }, 'ignored a malformed message between nodes')
    else this.cluster.layouts.reportUnknown(layout)
  }

  #deliver (delivery: Delivery): void {
    if (delivery.topic === SETTLED_STREAM) this.confirmations.receive(delivery.json)
    else if (delivery.position === null) this.#passages.receive(delivery)
    else this.#onDelivery(delivery)
  }

  #break (topic: string, position: StreamPosition): void {
    if (topic === SETTLED_STREAM) this.#recovery.missedEnds()
    else this.#onBreak(topic, position)
  }

  #disconnected (): void {
    this.revocations.mayHaveMissed()
    this.#connectivity.update()
  }

  /** Called when commands can be sent again. */
  #reconnected (): void {
    this.#connectivity.update()
    this.#streams.checkAll()
    this.#probe.soon()
    this.cluster.renew()
  }

  /** Probes Redis if a call fails. */
  async #doubting<T> (call: Promise<T>): Promise<T> {
    try {
      return await call
    } catch (error) {
      this.#probe.soon()
      throw isUnnamed(error) ? await this.#probe.nameRefused(error) : error
    }
  }

  /** Resolves once the other nodes can reach this one. */
  async #reachable (): Promise<void> {
    await this.#connectivity.ready(this.#commands.deadline())
    if (!this.cluster.isLeased) await this.cluster.renew()
    if (!this.cluster.isLeased) throw unavailable('this node has no lease')
  }
}

/** Connects, and closes everything again on failure. See `RedisEngine.open`. */
export async function openRedisEngine (factory: ClientFactory, options: RedisEngineOptions, context: EngineContext): Promise<RedisEngine> {
  const engine = new RedisEngine(factory, options, context)
  try {
    await engine.open(options.acceptEviction)
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}
