import type { FastifyBaseLogger } from 'fastify'
import { isOurs } from '../../wire-error.js'
import { refusal } from './access.js'
import type { ClientFactory, RedisClient } from './client.js'
import { isReply } from './error-replies.js'
import { Deadline } from './deadline.js'
import { Link } from './link.js'
import { Shards } from './shards.js'

export interface SubscriberEvents {
  onMessage: (channel: string, payload: string) => void
  /** Messages may have been lost on these channels, or on those between nodes; they are subscribed to again. */
  onRestored: (channels: string[]) => void
  /** See `ShardsEvents.onBehind`. */
  onBehind: (isBehind: boolean) => void
  onUp: () => void
  onDown: () => void
}

const AT_ONCE = 500

/** Connection for messages. Topic channels are sharded on a cluster; those between nodes, which have no slot, never are. */
export class Subscriber {
  readonly link: Link
  /** null: a single server. */
  readonly #shards: Shards | null
  readonly #timeoutMs: number
  readonly #events: SubscriberEvents
  readonly #log: FastifyBaseLogger
  readonly #fixed: string[]
  readonly #wanted = new Set<string>()
  /** Wanted channels that the connection has confirmed. */
  #confirmed = new Set<string>()

  /** @param fixed channels between nodes, always subscribed */
  constructor (factory: ClientFactory, fixed: string[], timeoutMs: number, log: FastifyBaseLogger, events: SubscriberEvents) {
    this.#fixed = fixed
    this.#timeoutMs = timeoutMs
    this.#events = events
    this.#log = log
    this.link = new Link(factory, timeoutMs, log, {
      onConnect: (client) => this.#restore(client),
      onUp: () => {
        this.#events.onUp()
        this.#events.onRestored([...this.#wanted])
      },
      onDown: () => this.#events.onDown()
    })
    const onMessage = (channel: string, payload: string) => this.#receive(channel, payload)
    this.#shards = factory.isCluster ? new Shards({ factory, timeoutMs, log }, { ...events, onMessage }) : null
  }

  /**
   * Resolves when every later message will arrive.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  async subscribe (channel: string): Promise<void> {
    const deadline = new Deadline(this.#timeoutMs)
    if (this.#shards !== null) return deadline.race(this.#shards.subscribe(channel))
    this.#wanted.add(channel)
    while (this.#wanted.has(channel)) {
      const client = await this.link.ready(deadline)
      if (this.#confirmed.has(channel) || !this.#wanted.has(channel)) return
      const confirmed = this.#confirmed
      try {
        await deadline.race(client.call('subscribe', channel))
        if (this.#wanted.has(channel)) confirmed.add(channel)
      } catch (error) {
        if (isOurs(error)) throw error
        if (isReply(error)) throw refusal('a subscription', error)
        this.link.drop(client, error)
      }
    }
  }

  unsubscribe (channel: string): void {
    if (this.#shards !== null) return this.#shards.unsubscribe(channel)
    this.#wanted.delete(channel)
    this.#confirmed.delete(channel)
    if (this.link.isUp) this.link.ready(new Deadline(this.#timeoutMs)).then((client) => this.#leave(client, channel))
  }

  /** Idempotent. */
  close (): void {
    this.link.close()
    this.#shards?.close()
  }

  async #restore (client: RedisClient): Promise<void> {
    const deadline = new Deadline(this.#timeoutMs)
    const confirmed = this.#confirmed = new Set()
    client.on('message', (channel: string, payload: string) => this.#receive(channel, payload))
    await deadline.race(client.call('subscribe', ...this.#fixed))
    this.#shards?.follow(client)
    const channels = [...this.#wanted]
    for (let at = 0; at < channels.length; at += AT_ONCE) {
      await deadline.race(client.call('subscribe', ...channels.slice(at, at + AT_ONCE)))
    }
    for (const channel of channels) if (this.#wanted.has(channel)) confirmed.add(channel)
    // Unsubscribed while the subscription was pending.
    for (const channel of channels) if (!this.#wanted.has(channel)) this.#leave(client, channel)
  }

  /** Unsubscribes from a channel. Messages that still arrive are dropped, and the next connection does not subscribe to it. */
  async #leave (client: RedisClient, channel: string): Promise<void> {
    try {
      await client.call('unsubscribe', channel)
    } catch (error) {
      this.#log.debug({ err: error, channel }, 'could not unsubscribe from a channel')
    }
  }

  #receive (channel: string, payload: string): void {
    try {
      this.#events.onMessage(channel, payload)
    } catch (error) {
      this.#log.error({ err: error, channel }, 'could not handle a message from Redis')
    }
  }
}
