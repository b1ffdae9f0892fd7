import { Backoff } from './backoff.js'
import { Channel, type ChannelOptions } from './channel.js'
import type { Frame } from './connection.js'
import type { Fail } from './emitter.js'
import { WsError } from './errors.js'
import { both } from './feed.js'
import type { Positions } from './positions.js'
import type { CallOptions } from './requests.js'

type AnyChannel = Channel<any, any, any>

/** A channel of the server, and the parts of the page that are in it. */
interface Membership {
  channels: Set<AnyChannel>
  /** Whether the current socket is asked to be in it, and is in it. */
  state: 'out' | 'asked' | 'in'
  /** True if it was in it on this or an earlier socket. */
  wasIn: boolean
  users: readonly string[]
  backoff: Backoff
  timer?: ReturnType<typeof setTimeout>
}

export interface MembershipsHost {
  fail: Fail
  isConnected: () => boolean
  /** Sends a frame and resolves to the reply's data. */
  request: (frame: Frame) => Promise<any>
  call: (type: string, data: object, options?: CallOptions) => Promise<any>
}

/** The most names that one frame may have. */
const MAX_NAMES = 100
/** Errors that would be the same the next time. Errors of the app, whose codes are its own, are among them. */
const PASSING: ReadonlySet<string> = new Set(['rate_limited', 'unavailable', 'internal', 'timeout', 'too_many_pending', 'disconnected', 'identity_changed'])
const topicOf = (name: string) => `channel:${name}`

/** The channels that the page is in: joins them anew on every socket, from where it was. */
export class Memberships {
  readonly #memberships = new Map<string, Membership>()
  /** How many `subscribe` frames of the current socket have no answer yet, by channel: only the last answer counts. */
  readonly #asks = new Map<string, number>()
  readonly #positions: Positions
  readonly #host: MembershipsHost
  #isPlanned = false

  constructor (positions: Positions, host: MembershipsHost) {
    this.#positions = positions
    this.#host = host
  }

  join<S> (name: string, options: ChannelOptions<S>): AnyChannel {
    const channel: AnyChannel = new Channel(name, options, {
      fail: this.#host.fail, call: this.#host.call, leave: (channel) => this.#leave(name, channel), presence: () => this.#memberships.get(name)?.users ?? []
    })
    let membership = this.#memberships.get(name)
    if (membership === undefined) {
      this.#memberships.set(name, membership = { channels: new Set(), state: 'out', wasIn: false, users: [], backoff: new Backoff() })
    }
    membership.channels.add(channel)
    // Later, so that its listeners are there before anything happens.
    if (membership.state === 'in') queueMicrotask(() => { if (membership.state === 'in') channel.entered(this.#positions.get(topicOf(name)) ?? null, { isWhole: true, isFirst: true }) })
    else this.#plan()
    return channel
  }

  /** A new socket is greeted. */
  connected (): void {
    this.#ask()
  }

  lost (): void {
    this.#asks.clear()
    for (const membership of this.#memberships.values()) {
      clearTimeout(membership.timer)
      membership.state = 'out'
      for (const channel of membership.channels) channel.lost()
    }
  }

  /** Returns true for a frame about channels. */
  handle (frame: Frame): boolean {
    const { type, channel: name } = frame
    const membership = this.#memberships.get(name)
    switch (type) {
      case 'subscribed':
        if (this.#answered(name) && membership !== undefined) this.#entered(name, membership, frame)
        return true
      case 'unsubscribed':
        if (membership !== undefined && frame.reason === 'forbidden') this.#refused(membership, new WsError('forbidden', `The app no longer allows channel "${name}"`, { delivery: 'refused' }))
        return true
      case 'subscription_confirmed': return true
      case 'presence':
        this.#setUsers(membership, frame.users.flatMap(({ user_id: id }: { user_id: string | null }) => id === null ? [] : [id]))
        return true
      case 'joined':
        if (membership?.users.includes(frame.user_id) === false) this.#setUsers(membership, [...membership.users, frame.user_id])
        return true
      case 'left':
        if (membership?.users.includes(frame.user_id) === true) this.#setUsers(membership, membership.users.filter((id) => id !== frame.user_id))
        return true
    }
    return false
  }

  /** A message of a channel. Returns as `Emitter.emit` does. */
  receive (name: string, message: Frame): boolean | Promise<boolean> | null {
    let handled: boolean | Promise<boolean> | null = null
    for (const channel of this.#memberships.get(name)?.channels ?? []) handled = both(handled, channel.receive(message))
    return handled
  }

  /** Messages of a channel are missing before its current position. */
  gap (name: string): void {
    for (const channel of this.#memberships.get(name)?.channels ?? []) {
      channel.entered(this.#positions.get(topicOf(name)) ?? null, { isWhole: false, isFirst: false })
    }
  }

  #entered (name: string, membership: Membership, { epoch, offset, recovered }: Frame): void {
    const topic = topicOf(name)
    const had = this.#positions.get(topic)
    membership.state = 'in'
    membership.backoff.reset()
    if (epoch === null) this.#positions.forget((its) => its === topic)
    else this.#positions.take(topic, epoch, offset)
    const { wasIn } = membership
    membership.wasIn = true
    const isWhole = recovered || (!wasIn && had === undefined)
    const from = epoch === null ? null : { epoch, offset }
    for (const channel of [...membership.channels]) channel.entered(from, { isWhole, isFirst: !wasIn && had === undefined })
  }

  #leave (name: string, channel: AnyChannel): void {
    const membership = this.#memberships.get(name)
    if (membership?.channels.delete(channel) !== true || membership.channels.size > 0) return
    clearTimeout(membership.timer)
    this.#memberships.delete(name)
    this.#positions.forget((topic) => topic === topicOf(name))
    if (membership.state === 'out' || !this.#host.isConnected()) return
    this.#host.request({ type: 'unsubscribe', channel_ids: [name] }).catch((error: WsError) => {
      if (!PASSING.has(error.code)) this.#host.fail(error, `leaving channel "${name}"`)
    })
  }

  /** Those that are joined in one turn are joined by one frame. */
  #plan (): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    queueMicrotask(() => {
      this.#isPlanned = false
      if (this.#host.isConnected()) this.#ask()
    })
  }

  #ask (): void {
    const names = [...this.#memberships].filter(([, { state, channels }]) => state === 'out' && [...channels].some(({ status }) => status !== 'refused')).map(([name]) => name)
    for (let i = 0; i < names.length; i += MAX_NAMES) this.#subscribe(names.slice(i, i + MAX_NAMES))
  }

  async #subscribe (names: readonly string[]): Promise<void> {
    const asked = names.flatMap((name) => this.#memberships.get(name) ?? [])
    for (const membership of asked) membership.state = 'asked'
    for (const name of names) this.#asks.set(name, (this.#asks.get(name) ?? 0) + 1)
    const recover = Object.fromEntries(names.flatMap((name) => {
      const position = this.#positions.get(topicOf(name))
      return position === undefined ? [] : [[name, position]]
    }))
    try {
      await this.#host.request({ type: 'subscribe', channel_ids: names, recover })
    } catch (error) {
      for (const name of names) this.#answered(name)
      // It was left, or the socket is another, meanwhile.
      const still = names.filter((name, i) => this.#memberships.get(name) === asked[i] && asked[i]!.state === 'asked')
      if (still.length > 0 && this.#host.isConnected()) this.#failed(still, error as WsError)
    }
  }

  /** Returns true for the answer to the latest request. */
  #answered (name: string): boolean {
    const open = (this.#asks.get(name) ?? 0) - 1
    this.#asks.set(name, Math.max(0, open))
    return open <= 0
  }

  /** One frame is all or nothing: who else is in it must not suffer from one that is refused. */
  #failed (names: readonly string[], error: WsError): void {
    const memberships = names.map((name) => this.#memberships.get(name)!)
    for (const membership of memberships) membership.state = 'out'
    const { retry_after_ms: retryAfterMs = 0 } = (error.details ?? {}) as { retry_after_ms?: number }
    if (PASSING.has(error.code)) {
      memberships[0]!.timer = setTimeout(() => this.#ask(), retryAfterMs + memberships[0]!.backoff.next())
    } else if (names.length === 1) {
      this.#refused(memberships[0]!, error)
    } else {
      for (const name of names) this.#subscribe([name])
    }
  }

  #refused (membership: Membership, error: WsError): void {
    membership.state = 'out'
    for (const channel of [...membership.channels]) channel.refused(error)
  }

  #setUsers (membership: Membership | undefined, users: readonly string[]): void {
    if (membership === undefined) return
    membership.users = users
    for (const channel of [...membership.channels]) channel.presenceChanged(users)
  }
}
