import { Backoff } from './backoff.js'
import { Channel, type ChannelOptions } from './channel.js'
import type { Frame } from './connection.js'
import type { Core, Frames } from './core.js'
import { WsError } from './errors.js'
import { both, type Handled } from './emitter.js'

type AnyChannel = Channel<any, any, any>

/** A channel of the server, and the parts of the page that are in it. */
interface Membership {
  readonly name: string
  readonly channels: Set<AnyChannel>
  readonly backoff: Backoff
  /** True if the last frame about it on this socket was `subscribe`. */
  isAsked: boolean
  /** How many of those have no answer yet: only the answer to the last one counts. */
  asks: number
  isIn: boolean
  /** True if it was in it, on this or an earlier socket. */
  wasIn: boolean
  users: readonly string[]
  timer?: ReturnType<typeof setTimeout>
}

/** Errors that may not come again. */
const PASSING = ['rate_limited', 'unavailable', 'internal', 'timeout', 'too_many_pending', 'disconnected', 'identity_changed']
const topicOf = (name: string) => `channel:${name}`

/** The channels that the page is in: joins them anew on every socket, from where it was. */
export class Memberships {
  readonly #memberships = new Map<string, Membership>()
  readonly #core: Core

  constructor (core: Core) {
    this.#core = core
  }

  join<S> (name: string, options: ChannelOptions<S>): AnyChannel {
    let membership = this.#memberships.get(name)
    if (membership === undefined) {
      membership = { name, channels: new Set(), backoff: new Backoff(), isAsked: false, asks: 0, isIn: false, wasIn: false, users: [] }
      this.#memberships.set(name, membership)
    }
    const its = membership
    const channel: AnyChannel = new Channel(name, options, this.#core, { leave: () => this.#leave(its, channel), presence: () => its.users })
    its.channels.add(channel)
    // Later, so that its listeners are there before anything happens.
    queueMicrotask(() => {
      if (its.isIn) channel.entered(this.#core.positions.get(topicOf(name)) ?? null, { isWhole: true, isFirst: true })
      else this.#ask(its)
    })
    return channel
  }

  /** A new socket is greeted. */
  connected (): void {
    for (const membership of this.#memberships.values()) this.#ask(membership)
  }

  lost (): void {
    for (const membership of this.#memberships.values()) {
      clearTimeout(membership.timer)
      membership.isAsked = membership.isIn = false
      membership.asks = 0
      this.#forgetUnused(membership)
      for (const channel of membership.channels) channel.lost()
    }
  }

  /** What is done with the frames about channels. */
  readonly frames: Frames = {
    subscribed: (frame) => {
      const membership = this.#of(frame)
      if (membership !== undefined && --membership.asks <= 0) this.#entered(membership, frame)
    },
    subscription_confirmed: () => {},
    unsubscribed: (frame) => {
      const membership = this.#of(frame)
      if (membership !== undefined && frame.reason === 'forbidden') this.#refused(membership, new WsError('forbidden', `The app no longer allows channel "${frame.channel}"`, { delivery: 'refused' }))
    },
    presence: (frame) => this.#setUsers(frame, frame.users.map((user: { user_id: string | null }) => user.user_id).filter((id: string | null) => id !== null)),
    joined: (frame) => this.#setUsers(frame, [...this.#others(frame), frame.user_id]),
    left: (frame) => this.#setUsers(frame, this.#others(frame))
  }

  /** A message of a channel. */
  receive (name: string, message: Frame): Handled {
    let handled: Handled = null
    for (const channel of this.#memberships.get(name)?.channels ?? []) handled = both(handled, channel.receive(message))
    return handled
  }

  /** Messages of a channel are missing before its current position. */
  gap (name: string): void {
    for (const channel of this.#memberships.get(name)?.channels ?? []) {
      channel.entered(this.#core.positions.get(topicOf(name)) ?? null, { isWhole: false, isFirst: false })
    }
  }

  #entered (membership: Membership, { epoch, offset, recovered }: Frame): void {
    const { positions } = this.#core
    const topic = topicOf(membership.name)
    const isFirst = !membership.wasIn && positions.get(topic) === undefined
    membership.isIn = membership.wasIn = true
    membership.asks = 0
    membership.backoff.reset()
    if (epoch === null) positions.forget((its) => its === topic)
    else positions.take(topic, epoch, offset)
    for (const channel of [...membership.channels]) channel.entered(epoch === null ? null : { epoch, offset }, { isWhole: recovered || isFirst, isFirst })
  }

  #leave (membership: Membership, channel: AnyChannel): void {
    const { name, channels } = membership
    if (!channels.delete(channel) || channels.size > 0) return
    clearTimeout(membership.timer)
    this.#core.positions.forget((topic) => topic === topicOf(name))
    const { isAsked } = membership
    membership.isAsked = membership.isIn = membership.wasIn = false
    this.#forgetUnused(membership)
    if (isAsked) {
      // A membership that outlives this is of no use and no harm: nobody gets its messages.
      this.#core.request({ type: 'unsubscribe', channel_ids: [name] }).catch(() => {})
    }
  }

  /** One whose answers are still to come is kept: they would be taken for those of the next one. */
  #forgetUnused ({ name, channels, asks }: Membership): void {
    if (channels.size === 0 && asks <= 0) this.#memberships.delete(name)
  }

  #ask (membership: Membership): void {
    const { name, channels, isAsked } = membership
    if (isAsked || !this.#core.isConnected || [...channels].every(({ status }) => status === 'refused')) return
    membership.isAsked = true
    membership.asks++
    const position = this.#core.positions.get(topicOf(name))
    this.#core.request({ type: 'subscribe', channel_ids: [name], recover: position && { [name]: position } }).catch((error: WsError) => {
      // Of another socket, or left meanwhile.
      if (--membership.asks < 0 || !membership.isAsked) return
      membership.isAsked = false
      const { retry_after_ms: afterMs = 0 } = (error.details ?? {}) as { retry_after_ms?: number }
      if (!PASSING.includes(error.code)) this.#refused(membership, error)
      else membership.timer = setTimeout(() => this.#ask(membership), afterMs + membership.backoff.next())
    })
  }

  #refused (membership: Membership, error: WsError): void {
    membership.isAsked = membership.isIn = false
    for (const channel of [...membership.channels]) channel.refused(error)
  }

  #of ({ channel }: Frame): Membership | undefined {
    return this.#memberships.get(channel)
  }

  #others (frame: Frame): string[] {
    return this.#of(frame)?.users.filter((id) => id !== frame.user_id) ?? []
  }

  /** A change can be redundant. */
  #setUsers (frame: Frame, users: readonly string[]): void {
    const membership = this.#of(frame)
    if (membership === undefined || (frame.type !== 'presence' && users.length === membership.users.length)) return
    membership.users = users
    for (const channel of [...membership.channels]) channel.presenceChanged(users)
  }
}
