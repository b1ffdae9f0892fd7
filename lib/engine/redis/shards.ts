import type { FastifyBaseLogger } from 'fastify'
import { refusal } from './access.js'
import type { RedisClient } from './client.js'
import { isPassing, isReply } from './error-replies.js'
import { Shard, type ShardSettings } from './shard.js'
import { SlotMap } from './slot-map.js'
import { slotOfKey } from './slots.js'

export interface ShardsEvents {
  onMessage: (channel: string, payload: string) => void
  /** These channels are subscribed to again; messages may have been lost. */
  onRestored: (channels: string[]) => void
  /** The first channel was lost, or the last lost one is subscribed to again. */
  onBehind: (isBehind: boolean) => void
}

interface Member {
  shard: Shard
  /** Subscriptions confirmed by that server. */
  subscriptions: Set<Subscription>
}

interface Subscription {
  channel: string
  slot: number
  /** Server that confirmed it. */
  at: Member | null
  /** Server that was asked and has not answered yet. */
  asked: Member | null
  waiting: { resolve: () => void, reject: (error: unknown) => void }[]
}

/** Interval of retries while subscriptions are due. */
const RETRY_MS = 100

/** Subscriptions to sharded channels of a cluster. Each follows its slot to the server that owns it. */
export class Shards {
  readonly #settings: ShardSettings
  readonly #log: FastifyBaseLogger
  readonly #events: ShardsEvents
  readonly #map = new SlotMap()
  /** By address. */
  readonly #members = new Map<string, Member>()
  readonly #all = new Map<string, Subscription>()
  /** Subscriptions to make, or to move. */
  readonly #due = new Set<Subscription>()
  /** Subscriptions that were confirmed but may no longer receive messages. */
  readonly #lost = new Set<Subscription>()
  readonly #restored: string[] = []
  readonly #doubted = new Set<Member>()
  /** Subscriptions for which the slot map proved wrong: they wait for the next map. */
  readonly #parked = new Set<Subscription>()
  #isScheduled = false
  #isClosed = false
  #timer: NodeJS.Timeout | null = null

  constructor (settings: ShardSettings, events: ShardsEvents) {
    this.#settings = settings
    this.#log = settings.log
    this.#events = events
  }

  /** Reads the slot map from this client from now on. */
  follow (client: RedisClient): void {
    this.#map.follow(client, () => this.#compare())
    this.#parked.clear()
    this.#schedule()
  }

  /**
   * Resolves when every later message will arrive, or the channel was unsubscribed from.
   *
   * @throws WSM_ERR_UNAVAILABLE if the subscription is refused
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

  /** Batches changes of one turn, since many happen together. */
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
    if (this.#parked.size > 0 || this.#lost.size > 0) this.#map.refresh()
    this.#advance()
  }

  async #ask (subscription: Subscription, member: Member): Promise<void> {
    subscription.asked = member
    try {
      await member.shard.subscribe(subscription.channel)
      this.#confirm(subscription, member)
    } catch (error) {
      this.#log.debug({ err: error, channel: subscription.channel }, 'could not subscribe to a channel yet; will retry')
      if (subscription.asked === member) this.#park(subscription)
      if (!isReply(error) || isPassing(error)) return
      for (const { reject } of subscription.waiting.splice(0)) reject(refusal('a subscription', error))
    }
  }

  #confirm (subscription: Subscription, member: Member): void {
    const { channel, at, waiting } = subscription
    const wanted = this.#all.get(channel)
    if (wanted !== subscription) {
      // Unsubscribed meanwhile. If it is wanted again on this server, that call came later on the same connection, and stands.
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

  /** Marks subscriptions due again whose messages no longer arrive, or soon will not. */
  #lose (subscriptions: Subscription[]): void {
    if (subscriptions.length === 0) return
    const wasBehind = this.#lost.size > 0
    for (const subscription of subscriptions) {
      this.#due.add(subscription)
      this.#lost.add(subscription)
    }
    if (!wasBehind) this.#events.onBehind(true)
    this.#map.refresh()
    this.#schedule()
  }

  #found (subscription: Subscription): void {
    if (this.#lost.delete(subscription) && this.#lost.size === 0) this.#events.onBehind(false)
  }

  /** Finds subscriptions that the server has ended. */
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

  /** Parks all subscriptions pending on a server: it is unknown which of them it will answer. */
  #abandon (member: Member): void {
    for (const subscription of this.#due) if (subscription.asked === member) this.#park(subscription)
  }

  #park (subscription: Subscription): void {
    subscription.asked = null
    if (this.#all.get(subscription.channel) === subscription) this.#parked.add(subscription)
  }

  /** Compares all subscriptions with a new slot map. */
  #compare (): void {
    this.#parked.clear()
    for (const member of this.#members.values()) this.#audit(member)
    const elsewhere = [...this.#all.values()].filter((subscription) => {
      const { at, slot } = subscription
      return at !== null && !this.#lost.has(subscription) && at !== this.#ownerOf(slot)
    })
    // The old server may still deliver, so it is left only after the new one has confirmed.
    this.#lose(elsewhere)
    const masters = this.#map.masters()
    for (const [address, { shard, subscriptions }] of this.#members) {
      if (masters.has(address) || subscriptions.size > 0) continue
      this.#members.delete(address)
      shard.link.close()
    }
    this.#schedule()
  }

  /** null: no known server owns the slot. */
  #ownerOf (slot: number): Member | null {
    const address = this.#map.masterOf(slot)
    if (address === undefined) return null
    return this.#members.get(address) ?? this.#join(address)
  }

  #join (address: string): Member | null {
    const server = this.#map.serverAt(address)
    if (server === undefined) return null
    const subscriptions = new Set<Subscription>()
    const shard = new Shard(server, this.#settings, {
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
    this.#members.set(address, member)
    return member
  }
}
