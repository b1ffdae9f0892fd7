import type { FastifyBaseLogger } from 'fastify'
import type { ClientFactory, RedisClient } from './client.js'
import { isPassing, isReply } from './commands.js'
import { unavailable } from './deadline.js'
import { Shard } from './shard.js'
import { slotOfKey } from './slots.js'

export interface ShardsEvents {
  onMessage: (channel: string, payload: string) => void
  /** These are subscribed to again; messages may have been lost. */
  onRestored: (channels: string[]) => void
  /** Whether there are lost ones. */
  onBehind: (isBehind: boolean) => void
}

interface Member {
  shard: Shard
  /** What is confirmed there. */
  subscriptions: Set<Subscription>
}

interface Subscription {
  channel: string
  slot: number
  /** Where it is confirmed. */
  at: Member | null
  /** Where it was asked for, and has not been answered. */
  asked: Member | null
  waiting: { resolve: () => void, reject: (error: unknown) => void }[]
}

/** How often it is tried again where a slot's subscribers are to be. */
const RETRY_MS = 100

/** The channels of a cluster's slots, each subscribed to where its slot is, wherever that goes. */
export class Shards {
  readonly #factory: ClientFactory
  readonly #timeoutMs: number
  readonly #log: FastifyBaseLogger
  readonly #events: ShardsEvents
  readonly #members = new Map<string, Member>()
  readonly #all = new Map<string, Subscription>()
  /** Those that are to be subscribed to. */
  readonly #due = new Set<Subscription>()
  /** Those on which messages were received before, and are not any more. */
  readonly #lost = new Set<Subscription>()
  readonly #restored: string[] = []
  readonly #doubted = new Set<Member>()
  /** Those for which the map has proved wrong: they wait for the next one. */
  readonly #parked = new Set<Subscription>()
  #map: RedisClient | null = null
  #isScheduled = false
  #isClosed = false
  #timer: NodeJS.Timeout | null = null

  constructor (factory: ClientFactory, timeoutMs: number, log: FastifyBaseLogger, events: ShardsEvents) {
    this.#factory = factory
    this.#timeoutMs = timeoutMs
    this.#log = log
    this.#events = events
  }

  /** How many channels wait for their slots. */
  get behind (): number {
    return this.#lost.size
  }

  /** Goes by a client of the cluster from now on, for who has which slots. */
  follow (client: RedisClient): void {
    this.#map = client
    this.#parked.clear()
    client.on('refresh', () => { if (this.#map === client) this.#compare() })
    this.#schedule()
  }

  /**
   * Resolves when every later message arrives, or the channel was unsubscribed from.
   *
   * @throws WSM_ERR_UNAVAILABLE where the subscription is refused
   */
  subscribe (channel: string): Promise<void> {
    let subscription = this.#all.get(channel)
    if (subscription === undefined) {
      subscription = { channel, slot: slotOfKey(channel), at: null, asked: null, waiting: [] }
      this.#all.set(channel, subscription)
      this.#due.add(subscription)
      this.#schedule()
    }
    const { at, waiting } = subscription
    if (at !== null) return Promise.resolve()
    return new Promise((resolve, reject) => { waiting.push({ resolve, reject }) })
  }

  unsubscribe (channel: string): void {
    const subscription = this.#all.get(channel)
    if (subscription === undefined) return
    this.#all.delete(channel)
    this.#due.delete(subscription)
    this.#parked.delete(subscription)
    this.#found(subscription)
    const { at, waiting } = subscription
    at?.subscriptions.delete(subscription)
    at?.shard.leave(channel)
    for (const { resolve } of waiting) resolve()
  }

  close (): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const { shard } of this.#members.values()) shard.link.close()
  }

  /** Much of what happens at once is answered in one go. */
  #schedule (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#isClosed) return
      const restored = this.#restored.splice(0)
      if (restored.length > 0) this.#events.onRestored(restored)
      for (const member of this.#doubted) this.#audit(member)
      this.#doubted.clear()
      this.#advance()
    })
  }

  #advance (): void {
    for (const subscription of this.#due) {
      if (subscription.asked !== null || this.#parked.has(subscription)) continue
      const member = this.#ownerOf(subscription.slot)
      if (member?.shard.link.isUp === true) this.#ask(subscription, member)
    }
    if (this.#due.size > 0) this.#timer ??= setTimeout(() => this.#retry(), RETRY_MS)
  }

  #retry (): void {
    this.#timer = null
    if (this.#parked.size > 0 || this.#lost.size > 0) this.#map?.refreshSlotsCache?.()
    this.#advance()
  }

  async #ask (subscription: Subscription, member: Member): Promise<void> {
    subscription.asked = member
    try {
      await member.shard.subscribe(subscription.channel)
      this.#confirm(subscription, member)
    } catch (error) {
      this.#log.debug({ err: error, channel: subscription.channel }, 'a channel could not be subscribed to yet')
      if (subscription.asked === member) this.#park(subscription)
      if (!isReply(error) || isPassing(error)) return
      for (const { reject } of subscription.waiting.splice(0)) reject(unavailable('it refused a subscription', error))
    }
  }

  #confirm (subscription: Subscription, member: Member): void {
    const { channel, at, waiting } = subscription
    const wanted = this.#all.get(channel)
    if (wanted !== subscription) {
      // Left meanwhile; and where it is wanted once more, that came later on the same connection.
      if (wanted?.at !== member && wanted?.asked !== member) member.shard.leave(channel)
      return
    }
    if (at !== null && at !== member) {
      at.subscriptions.delete(subscription)
      at.shard.leave(channel)
    }
    subscription.at = member
    subscription.asked = null
    member.subscriptions.add(subscription)
    this.#due.delete(subscription)
    for (const { resolve } of waiting.splice(0)) resolve()
    if (!this.#lost.has(subscription)) return
    this.#restored.push(channel)
    this.#found(subscription)
    this.#schedule()
  }

  /** Messages of these do not arrive any more, or will soon not. */
  #lose (subscriptions: Subscription[]): void {
    if (subscriptions.length === 0) return
    const wasBehind = this.#lost.size > 0
    for (const subscription of subscriptions) {
      this.#due.add(subscription)
      this.#lost.add(subscription)
    }
    if (!wasBehind) this.#events.onBehind(true)
    this.#map?.refreshSlotsCache?.()
    this.#schedule()
  }

  #found (subscription: Subscription): void {
    if (this.#lost.delete(subscription) && this.#lost.size === 0) this.#events.onBehind(false)
  }

  /** Looks for subscriptions that the server has ended. */
  #audit ({ shard, subscriptions }: Member): void {
    const { held } = shard
    const ended = [...subscriptions].filter(({ channel }) => !held.has(channel))
    this.#end(ended)
  }

  #end (subscriptions: Subscription[]): void {
    for (const subscription of subscriptions) {
      subscription.at!.subscriptions.delete(subscription)
      subscription.at = null
      this.#parked.add(subscription)
    }
    this.#lose(subscriptions)
  }

  /** Nobody knows which of those that were asked for there will be answered. */
  #abandon (member: Member): void {
    for (const subscription of this.#due) if (subscription.asked === member) this.#park(subscription)
  }

  #park (subscription: Subscription): void {
    subscription.asked = null
    if (this.#all.get(subscription.channel) === subscription) this.#parked.add(subscription)
  }

  /** Looks whether everything is subscribed to where it should be, by a map that has just come. */
  #compare (): void {
    this.#parked.clear()
    for (const member of this.#members.values()) this.#audit(member)
    const elsewhere = [...this.#all.values()].filter((subscription) => {
      const { at, slot } = subscription
      return at !== null && !this.#lost.has(subscription) && at !== this.#ownerOf(slot)
    })
    // What still arrives where it was is taken until it arrives where it should.
    this.#lose(elsewhere)
    const masters = new Set(this.#map!.nodes!('master').map(keyOf))
    for (const [key, { shard, subscriptions }] of this.#members) {
      if (masters.has(key) || subscriptions.size > 0) continue
      this.#members.delete(key)
      shard.link.close()
    }
    this.#schedule()
  }

  /** Null: nobody has the slot, as far as is known. */
  #ownerOf (slot: number): Member | null {
    const key = this.#map?.slots?.[slot]?.[0]
    if (key === undefined) return null
    return this.#members.get(key) ?? this.#join(key)
  }

  #join (key: string): Member | null {
    const server = this.#map!.nodes!('all').find((node) => keyOf(node) === key)
    if (server === undefined) return null
    const subscriptions = new Set<Subscription>()
    const shard = new Shard(server, this.#factory, this.#timeoutMs, this.#log, {
      onMessage: (channel, payload) => this.#events.onMessage(channel, payload),
      onUp: () => this.#schedule(),
      onDown: () => {
        if (this.#isClosed) return
        this.#abandon(member)
        this.#end([...subscriptions])
      },
      onMoved: () => this.#abandon(member),
      onDoubt: () => {
        this.#doubted.add(member)
        this.#schedule()
      }
    })
    const member = { shard, subscriptions }
    this.#members.set(key, member)
    return member
  }
}

function keyOf ({ options }: RedisClient): string {
  return `${options?.host}:${options?.port}`
}
