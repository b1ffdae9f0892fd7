import type { Connection } from '../connection/connection.js'
import type { Engine, Publication } from '../engine/engine.js'

const CHANNEL_PREFIX = 'channel:'

/** The names of topics. */
export const topicOf = {
  all: 'all',
  user: (userId: string) => `user:${userId}`,
  channel: (channel: string) => CHANNEL_PREFIX + channel
}

const NOBODY: ReadonlySet<Connection> = new Set()

interface Topic {
  members: Set<Connection>
  /** Settles when publications reach this node. */
  ready: Promise<void>
}

/**
 * Which connections of this node are members of which topic. The engine is subscribed to a topic while it has a
 * member here.
 */
export class Topics {
  readonly #topics = new Map<string, Topic>()
  readonly #engine: Engine

  constructor (engine: Engine) {
    this.#engine = engine
    engine.onPublication((publication) => this.#deliver(publication))
  }

  /**
   * Makes the connection a member at once, unless it has ended meanwhile; resolves when publications on the topic
   * reach this node. Joining twice is harmless.
   */
  async join (topic: string, connection: Connection): Promise<void> {
    if (!connection.isOpen) return
    let entry = this.#topics.get(topic)
    if (entry === undefined) {
      entry = { members: new Set(), ready: this.#engine.subscribe(topic) }
      this.#topics.set(topic, entry)
    }
    entry.members.add(connection)
    await entry.ready
  }

  /** From now on nothing of the topic reaches the connection. Leaving twice is harmless. */
  leave (topic: string, connection: Connection): void {
    const members = this.#topics.get(topic)?.members
    if (members === undefined || !members.delete(connection) || members.size > 0) return
    this.#topics.delete(topic)
    this.#engine.unsubscribe(topic)
  }

  /** Channels with at least one member here. */
  get channelCount (): number {
    let count = 0
    for (const topic of this.#topics.keys()) if (topic.startsWith(CHANNEL_PREFIX)) count++
    return count
  }

  members (topic: string): ReadonlySet<Connection> {
    return this.#topics.get(topic)?.members ?? NOBODY
  }

  #deliver ({ topic, message, except }: Publication): void {
    for (const connection of this.members(topic)) {
      if (except === undefined || !except.includes(connection.id)) connection.send(message)
    }
  }
}
