import type { Connection, Grant } from '../connection/connection.js'
import { TooManyChannelsError } from '../errors.js'
import { topicOf, type Topics } from './topics.js'

/** Who belongs where: every connection to `all` and to its user, and to the channels that it joined. */
export class Memberships {
  readonly #topics: Topics
  readonly #maxChannels: number

  /** @param maxChannels how many channels one connection can be a member of */
  constructor (topics: Topics, maxChannels: number) {
    this.#topics = topics
    this.#maxChannels = maxChannels
  }

  /** Resolves when everything for all and for its user reaches the connection. */
  async enter (connection: Connection): Promise<void> {
    await Promise.all([this.#topics.join(topicOf.all, connection), this.enterUser(connection)])
  }

  async enterUser (connection: Connection): Promise<void> {
    if (connection.user !== null) await this.#topics.join(topicOf.user(connection.user.id), connection)
  }

  leaveUser (connection: Connection): void {
    if (connection.user !== null) this.#topics.leave(topicOf.user(connection.user.id), connection)
  }

  /** From now on nothing but what is sent to it alone reaches the connection. */
  leaveAll (connection: Connection): void {
    for (const channel of connection.channels) this.leave(connection, channel)
    this.leaveUser(connection)
    this.#topics.leave(topicOf.all, connection)
  }

  /**
   * All of the channels or none. Joining one twice is harmless.
   *
   * @throws WSM_ERR_TOO_MANY_CHANNELS
   */
  async join (connection: Connection, channels: readonly string[], grant: Grant): Promise<void> {
    const after = new Set([...connection.channels, ...channels])
    if (after.size > this.#maxChannels) throw new TooManyChannelsError(this.#maxChannels)
    for (const channel of channels) connection.grant(channel, grant)
    await Promise.all(channels.map((channel) => this.#topics.join(topicOf.channel(channel), connection)))
  }

  leave (connection: Connection, channel: string): void {
    connection.revoke(channel)
    this.#topics.leave(topicOf.channel(channel), connection)
  }
}
