import type { FastifyBaseLogger } from 'fastify'
import type { ClientFactory, RedisClient } from './client.js'
import { Deadline } from './deadline.js'
import { Link } from './link.js'

export interface ShardSettings { factory: ClientFactory, timeoutMs: number, log: FastifyBaseLogger }

export interface ShardEvents {
  onMessage: (channel: string, payload: string) => void
  onUp: () => void
  /** All subscriptions ended with the connection. */
  onDown: () => void
  /** The server may have ended subscriptions; see `held`. */
  onDoubt: () => void
  /** The server refused a subscription because its slot is elsewhere; which one is unknown. */
  onMoved: () => void
}

/** A connection to one server of a cluster, for the messages of its slots. */
export class Shard {
  readonly link: Link
  readonly #timeoutMs: number
  readonly #log: FastifyBaseLogger
  #client: RedisClient | null = null

  constructor (server: RedisClient, { factory, timeoutMs, log }: ShardSettings, events: ShardEvents) {
    this.#timeoutMs = timeoutMs
    this.#log = log
    this.link = new Link({ ...factory, isCluster: false, create: () => factory.createLike(server) }, timeoutMs, log, {
      onConnect: async (client) => {
        this.#client = client
        client.on('smessage', events.onMessage)
        // A server that loses a slot ends its subscriptions by itself: ioredis 5 emits "error" for that, ioredis 6 "moved".
        client.on('error', () => events.onDoubt())
        client.on('moved', () => {
          events.onMoved()
          events.onDoubt()
        })
      },
      onUp: () => events.onUp(),
      onDown: () => events.onDown()
    })
    this.link.open()
  }

  /** Resolves when every later message will arrive, as long as the connection and the slot stay. */
  async subscribe (channel: string): Promise<void> {
    const deadline = new Deadline(this.#timeoutMs)
    const client = await this.link.ready(deadline)
    await deadline.race(client.call('ssubscribe', channel))
    if (this.#client !== client || !this.link.isUp) throw new Error('the connection broke')
  }

  /** Unsubscribes from a channel. Never rejects: on failure messages are dropped, and the next connection does not subscribe. */
  async leave (channel: string): Promise<void> {
    try {
      await this.#client!.call('sunsubscribe', channel)
    } catch (error) {
      this.#log.debug({ err: error, channel }, 'could not unsubscribe from a channel')
    }
  }

  /** Subscribed channels, as tracked by ioredis. */
  get held (): Set<string> {
    const subscriber = this.#client?.condition?.subscriber
    return new Set(subscriber ? subscriber.channels('ssubscribe') : [])
  }
}
