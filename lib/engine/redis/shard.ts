import type { FastifyBaseLogger } from 'fastify'
import type { ClientFactory, RedisClient } from './client.js'
import { Deadline } from './deadline.js'
import { Link } from './link.js'

export interface ShardEvents {
  onMessage: (channel: string, payload: string) => void
  onUp: () => void
  /** Nothing is subscribed to any more. */
  onDown: () => void
  /** The server may have ended subscriptions; see `held`. */
  onDoubt: () => void
  /** A subscription that is on its way was refused since its slot is elsewhere; which one is not known. */
  onMoved: () => void
}

/** One server of a cluster, with a connection on which the messages of its slots arrive. */
export class Shard {
  readonly link: Link
  readonly #timeoutMs: number
  readonly #log: FastifyBaseLogger
  #client: RedisClient | null = null

  constructor (server: RedisClient, factory: ClientFactory, timeoutMs: number, log: FastifyBaseLogger, events: ShardEvents) {
    this.#timeoutMs = timeoutMs
    this.#log = log
    this.link = new Link({ ...factory, isCluster: false, create: () => factory.createLike(server) }, timeoutMs, log, {
      onConnect: async (client) => {
        this.#client = client
        client.on('smessage', events.onMessage)
        // What the server says unasked when a slot goes is an error to ioredis 5, and "moved" to 6.
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

  /** Resolves when every later message arrives, as long as the connection and the slot stay. */
  async subscribe (channel: string): Promise<void> {
    const deadline = new Deadline(this.#timeoutMs)
    const client = await this.link.ready(deadline)
    await deadline.race(client.call('ssubscribe', channel))
    if (this.#client !== client || !this.link.isUp) throw new Error('the connection broke')
  }

  /** Of a channel that is subscribed to. What comes nevertheless is dropped, and the next connection is not subscribed to it. */
  async leave (channel: string): Promise<void> {
    try {
      await this.#client!.call('sunsubscribe', channel)
    } catch (error) {
      this.#log.debug({ err: error, channel }, 'a channel could not be unsubscribed from')
    }
  }

  /** What is subscribed to. */
  get held (): Set<string> {
    const subscriber = this.#client?.condition?.subscriber
    return new Set(subscriber ? subscriber.channels('ssubscribe') : [])
  }
}
