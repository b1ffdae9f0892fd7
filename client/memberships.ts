import { createBackoff, type Backoff } from './backoff.js'
import { Channel, type ChannelOptions } from './channel.js'
import type { Core, Receivers } from './core.js'
import { UNCERTAIN, WsError } from './errors.js'
import { both, type Handled } from './emitter.js'
import type { Frame } from './socket.js'

type AnyChannel = Channel<any, any, any>

/** Membership in a channel, and the parts of the page that share it. */
interface Membership {
  readonly name: string
  readonly parts: Set<AnyChannel>
  backoff: Backoff
  /** True if the last frame about it on this socket was `subscribe`. */
  isAsked: boolean
  isIn: boolean
  /** True if the user has been in the channel, on this or an earlier socket. */
  wasIn: boolean
  users: readonly string[]
  timer?: ReturnType<typeof setTimeout>
}

/** Error codes after which joining is tried again. */
const PASSING = [...UNCERTAIN, 'rate_limited', 'timeout', 'too_many_pending', 'disconnected']
const topicOf = (name: string) => `channel:${name}`

/** The channels that the page is in: joins them again on every socket, from the last position. */
export class Memberships {
  readonly #memberships = new Map<string, Membership>()
  readonly #core: Core

  constructor (core: Core) {
    this.#core = core
  }

  join<S> (name: string, options: ChannelOptions<S>): AnyChannel {
    let membership = this.#memberships.get(name)
    if (!membership) {
      membership = { name, parts: new Set(), backoff: createBackoff(), isAsked: false, isIn: false, wasIn: false, users: [] }
      this.#memberships.set(name, membership)
    }
    const its = membership
    const channel: AnyChannel = new Channel(name, options, this.#core, its, () => this.#leave(its, channel))
    its.parts.add(channel)
    // At once, so that the call behind it finds a member.
    if (!its.isIn) this.#ask(its)
    // Later, so that the app can add its listeners first.
    else queueMicrotask(() => { if (its.isIn) channel.entered(this.#core.positions.get(topicOf(name)), true, true) })
    return channel
  }

  /** A new socket is greeted. */
  reconnected (): void {
    for (const membership of this.#memberships.values()) this.#ask(membership)
  }

  /** The socket is lost. @param isOver the user is another one, or the client has ended: drops what was being loaded for them, and forgets refusals */
  interrupted (isOver = false): void {
    for (const membership of this.#memberships.values()) {
      clearTimeout(membership.timer)
      membership.isAsked = membership.isIn = false
      for (const channel of membership.parts) channel.interrupted(isOver)
    }
  }

  /** Handlers for frames about channels. */
  readonly receivers: Receivers = {
    subscribed: (frame) => {
      const membership = this.#of(frame)
      if (membership?.isAsked) this.#entered(membership, frame)
    },
    subscription_confirmed: () => {},
    unsubscribed: (frame) => {
      const membership = this.#of(frame)
      if (membership && frame.reason === 'forbidden') this.#refused(membership, new WsError('forbidden', `channel "${frame.channel}" is forbidden now`, { delivery: 'refused' }))
    },
    presence: (frame) => this.#setUsers(frame, frame.users.map((user: { user_id: string | null }) => user.user_id).filter(Boolean)),
    joined: (frame) => this.#setUsers(frame, [...this.#others(frame), frame.user_id]),
    left: (frame) => this.#setUsers(frame, this.#others(frame))
  }

  /** A message of a channel. */
  receive (name: string, message: Frame): Handled {
    let handled: Handled = null
    for (const channel of this.#memberships.get(name)?.parts ?? []) handled = both(handled, channel.receive(message))
    return handled
  }

  /** Messages of a channel are missing before its current position. */
  gap (name: string): void {
    for (const channel of this.#memberships.get(name)?.parts ?? []) {
      channel.entered(this.#core.positions.get(topicOf(name)), false, false)
    }
  }

  #entered (membership: Membership, { epoch, offset, recovered }: Frame): void {
    const { positions } = this.#core
    const topic = topicOf(membership.name)
    const isFirst = !membership.wasIn && !positions.get(topic)
    membership.isIn = membership.wasIn = true
    membership.backoff = createBackoff()
    if (epoch) positions.reach(topic, epoch, offset)
    else positions.forget(topic)
    for (const channel of [...membership.parts]) channel.entered(epoch ? { epoch, offset } : undefined, recovered || isFirst, isFirst)
  }

  /** Leaves at the end of the turn if no part is left: one that is rendered again joins at once. */
  #leave (membership: Membership, channel: AnyChannel): void {
    membership.parts.delete(channel)
    queueMicrotask(() => {
      const { name, parts, isAsked } = membership
      if (parts.size > 0 || this.#memberships.get(name) !== membership) return
      clearTimeout(membership.timer)
      this.#memberships.delete(name)
      this.#core.positions.forget(topicOf(name))
      // A membership that the server keeps after a failure is harmless: nobody listens to its messages.
      if (isAsked) this.#core.requests.send({ type: 'unsubscribe', channel_ids: [name] }).catch(() => {})
    })
  }

  #ask (membership: Membership): void {
    const { name, parts, isAsked } = membership
    if (isAsked || !this.#core.wire.isGreeted || [...parts].every(({ status }) => status === 'refused')) return
    membership.isAsked = true
    const position = this.#core.positions.get(topicOf(name))
    this.#core.requests.send({ type: 'subscribe', channel_ids: [name], recover: position && { [name]: position } }).catch((error: WsError) => {
      // The channel was left meanwhile, or the request belongs to an earlier socket.
      if (!membership.isAsked || !this.#core.wire.isGreeted) return
      membership.isAsked = false
      const { retry_after_ms: afterMs = 0 } = (error.details ?? {}) as { retry_after_ms?: number }
      if (!PASSING.includes(error.code)) this.#refused(membership, error)
      else membership.timer = setTimeout(() => this.#ask(membership), afterMs + membership.backoff())
    })
  }

  #refused (membership: Membership, error: WsError): void {
    membership.isAsked = membership.isIn = false
    for (const channel of [...membership.parts]) channel.refused(error)
  }

  #of ({ channel }: Frame): Membership | undefined {
    return this.#memberships.get(channel)
  }

  #others (frame: Frame): string[] {
    return this.#of(frame)?.users.filter((id) => id !== frame.user_id) ?? []
  }

  /** Sets the users. A `joined` or `left` frame may say what is known already. */
  #setUsers (frame: Frame, users: readonly string[]): void {
    const membership = this.#of(frame)
    if (!membership || (frame.type !== 'presence' && users.length === membership.users.length)) return
    membership.users = users
    for (const channel of [...membership.parts]) channel.presenceChanged(users)
  }
}
