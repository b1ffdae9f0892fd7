import type { FastifyBaseLogger } from 'fastify'
import { isOurs } from '../../errors.js'
import type { ClientFactory, RedisClient } from './client.js'
import { isReply } from './commands.js'
import { Deadline, unavailable } from './deadline.js'
import { Link } from './link.js'

export interface SubscriberEvents {
  onMessage: (channel: string, payload: string) => void
  /** Messages may have been lost; all channels are subscribed to again. */
  onRestored: () => void
  onUp: () => void
  onDown: () => void
}

const AT_ONCE = 500

/**
 * The connection on which messages arrive. Channels of topics are sharded on a cluster; those between nodes, which have no
 * slot, never are.
 */
export class Subscriber {
  readonly link: Link
  readonly #isCluster: boolean
  readonly #timeoutMs: number
  readonly #events: SubscriberEvents
  readonly #log: FastifyBaseLogger
  readonly #fixed: string[]
  readonly #wanted = new Set<string>()
  /** Those of the wanted ones that the connection has confirmed. */
  #confirmed = new Set<string>()

  /** @param fixed channels between nodes, subscribed to from the beginning */
  constructor (factory: ClientFactory, fixed: string[], timeoutMs: number, log: FastifyBaseLogger, events: SubscriberEvents) {
    this.#isCluster = factory.isCluster
    this.#fixed = fixed
    this.#timeoutMs = timeoutMs
    this.#events = events
    this.#log = log
    this.link = new Link(factory, timeoutMs, log, {
      onConnect: (client) => this.#restore(client),
      onUp: () => {
        this.#events.onUp()
        this.#events.onRestored()
      },
      onDown: () => this.#events.onDown()
    })
  }

  /**
   * Resolves when every later message arrives.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  async subscribe (channel: string): Promise<void> {
    const deadline = new Deadline(this.#timeoutMs)
    this.#wanted.add(channel)
    while (this.#wanted.has(channel)) {
      const client = await this.link.ready(deadline)
      if (this.#confirmed.has(channel) || !this.#wanted.has(channel)) return
      const confirmed = this.#confirmed
      try {
        await deadline.race(client.call(this.#commandOf('subscribe'), channel))
        if (this.#wanted.has(channel)) confirmed.add(channel)
      } catch (error) {
        if (isOurs(error)) throw error
        if (isReply(error)) throw unavailable('it refused a subscription', error)
        this.link.drop(client)
      }
    }
  }

  unsubscribe (channel: string): void {
    this.#wanted.delete(channel)
    this.#confirmed.delete(channel)
    if (this.link.isUp) this.link.ready(new Deadline(this.#timeoutMs)).then((client) => this.#leave(client, channel))
  }

  async #restore (client: RedisClient): Promise<void> {
    const deadline = new Deadline(this.#timeoutMs)
    const confirmed = this.#confirmed = new Set()
    const receive = (channel: string, payload: string) => this.#receive(channel, payload)
    client.on('message', receive)
    client.on('smessage', receive)
    await deadline.race(client.call('subscribe', ...this.#fixed))
    const channels = [...this.#wanted]
    if (this.#isCluster) {
      // Each can be in another slot.
      await deadline.race(Promise.all(channels.map((channel) => client.call('ssubscribe', channel))))
    } else {
      for (let at = 0; at < channels.length; at += AT_ONCE) {
        await deadline.race(client.call('subscribe', ...channels.slice(at, at + AT_ONCE)))
      }
    }
    for (const channel of channels) if (this.#wanted.has(channel)) confirmed.add(channel)
    // Unsubscribed from while it was being subscribed to.
    for (const channel of channels) if (!this.#wanted.has(channel)) this.#leave(client, channel)
  }

  /** What comes nevertheless is dropped, and the next connection is not subscribed to the channel. */
  async #leave (client: RedisClient, channel: string): Promise<void> {
    try {
      await client.call(this.#commandOf('unsubscribe'), channel)
    } catch (error) {
      this.#log.debug({ err: error, channel }, 'a channel could not be unsubscribed from')
    }
  }

  #commandOf (name: 'subscribe' | 'unsubscribe'): string {
    return this.#isCluster ? `s${name}` : name
  }

  #receive (channel: string, payload: string): void {
    try {
      this.#events.onMessage(channel, payload)
    } catch (error) {
      this.#log.error({ err: error, channel }, 'a message from Redis could not be handled')
    }
  }
}
