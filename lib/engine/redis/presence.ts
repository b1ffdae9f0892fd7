import type { FastifyBaseLogger } from 'fastify'
import { channelOf, topicOf } from '../../topic-names.js'
import type { PresenceChange, PresenceStore, PresentClient } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'
import { Batches } from './batches.js'
import type { DeadNode, Leases } from './cluster.js'
import type { Commands } from './commands.js'
import { Deadline } from './deadline.js'
import type { Keys } from './keys.js'
import { forget } from './node-scripts.js'
import * as scripts from './presence-scripts.js'
import { Roster, type NumberedChange } from './roster.js'
import { Strays } from './strays.js'
import { decodeUser, encode } from './wire.js'

export interface PresenceSettings {
  nodeId: string
  /** Term of this node: in a new term it adds all of its sockets again. */
  term: () => number
  /** Returns true for another node that this one knows to be alive. */
  isPeer: (nodeId: string) => boolean
  leases: () => Promise<Leases>
  leaseMs: number
  timeoutMs: number
  ttlMs: number
  publishCommand: string
}

/** Numbers of calls per term; the removal of a dead node is the last call of its term. */
const CALLS = 2 ** 40

/** @property roster open when the change was requested */
interface Change { sign: '+' | '-', client: PresentClient, roster?: Roster | undefined }

/** This node's part of a channel. */
interface Part {
  clients: Map<string, PresentClient>
  /** True if Redis may differ from `clients`. */
  isDirty: boolean
  /** Term in which Redis had all of `clients`. */
  term: number
  /** True if survivors would find this node's part. */
  isListed: boolean
}

/**
 * Presence in channels. A node keeps the desired state of its own part and reconciles Redis with it: a failed change is repaired
 * by the next one, or when Redis is back.
 */
export class RedisPresenceStore implements PresenceStore {
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #settings: PresenceSettings
  readonly #log: FastifyBaseLogger
  readonly #parts = new Map<string, Part>()
  /** Channels that this node's last socket has left: after a rollback Redis may have one there again. */
  readonly #left: ExpiringMap<string, string>
  readonly #rosters = new Map<string, Roster>()
  /** A change, or 'all' to reconcile Redis with this node's state. */
  readonly #changes: Batches<Change | 'all', void>
  readonly #strays: Strays
  readonly #timer: NodeJS.Timeout
  #calls = 0
  #isClosed = false
  #listener: (change: PresenceChange) => void = () => {}

  constructor (commands: Commands, keys: Keys, settings: PresenceSettings, log: FastifyBaseLogger) {
    this.#commands = commands
    this.#keys = keys
    this.#settings = settings
    this.#log = log
    this.#left = new ExpiringMap(settings.ttlMs)
    this.#changes = new Batches(settings.timeoutMs, (batch, leftMs, channel) => this.#apply(channel, batch, leftMs))
    const { nodeId, leaseMs, isPeer, leases } = settings
    this.#strays = new Strays({
      leaseMs,
      isAlive: (id) => id === nodeId || isPeer(id),
      leases,
      remove: (channel, id) => this.#removeStrays(channel, id)
    }, log)
    this.#timer = setInterval(() => this.restore(true), settings.ttlMs / 3)
  }

  add (channel: string, client: PresentClient): Promise<void> {
    let part = this.#parts.get(channel)
    if (part === undefined) this.#parts.set(channel, part = { clients: new Map(), isDirty: false, term: this.#settings.term(), isListed: false })
    part.clients.set(client.client_id, client)
    return this.#change(channel, part, '+', client)
  }

  async remove (channel: string, client: PresentClient): Promise<void> {
    const part = this.#parts.get(channel)
    if (part?.clients.delete(client.client_id) === true) await this.#change(channel, part, '-', client)
  }

  async list (channel: string): Promise<PresentClient[]> {
    const [clients] = this.#keys.presence(topicOf.channel(channel))
    const [ids, entries] = await this.#commands.run(scripts.list, [clients], []) as [string[], string[]]
    const parsed = ids.map((client_id, i) => ({ client_id, ...parseEntry(entries[i]!) }))
    this.#strays.seen(channel, new Set(parsed.map(({ node }) => node)))
    return parsed
      .sort((a, b) => a.order - b.order)
      .map(({ client_id, user_id }) => ({ client_id, user_id }))
  }

  onChange (listener: (change: PresenceChange) => void): void {
    this.#listener = listener
  }

  /**
   * Listens to the changes of a channel whose topic is subscribed to.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  async watch (channel: string): Promise<void> {
    if (this.#rosters.has(channel)) return
    const roster = new Roster({
      read: () => this.#readUsers(channel),
      tell: (kind, user) => this.#listener({ channel, kind, user_id: user }),
      fail: (error) => this.#log.warn({ err: error, channel }, 'could not re-read the presence of a channel yet; will retry')
    })
    this.#rosters.set(channel, roster)
    try {
      await roster.open()
    } catch (error) {
      // Otherwise the channel was left meanwhile.
      if (this.#rosters.get(channel) === roster) throw error
    }
  }

  unwatch (channel: string): void {
    this.#rosters.get(channel)?.close()
    this.#rosters.delete(channel)
  }

  receive (change: NumberedChange): void {
    this.#rosters.get(change.channel)?.receive(change)
  }

  /** Re-reads the presence of all channels. */
  checkAll (): void {
    for (const roster of this.#rosters.values()) roster.load()
  }

  /** Re-reads the presence of these topics' channels, since changes may have been lost. */
  check (topics: Iterable<string>): void {
    for (const topic of topics) {
      const channel = channelOf(topic)
      if (channel !== null) this.#rosters.get(channel)?.load()
    }
  }

  /** Reconciles Redis with this node's state: everywhere, or where a change may have failed or the node was removed. */
  async restore (isEverywhere: boolean): Promise<void> {
    await this.#compare([...this.#parts].flatMap(([channel, part]) => isEverywhere || this.#isUncertain(part) ? [channel] : []))
  }

  /** Does the same after a rollback, also in channels that this node has left, as remembered by Redis or the node itself. */
  async restoreLost (): Promise<void> {
    try {
      const listed = await this.#commands.call('smembers', this.#keys.channelsOf(this.#settings.nodeId)) as string[]
      for (const channel of listed) this.#left.set(channel, channel)
    } catch (error) {
      this.#log.warn({ err: error }, 'could not read the channels of this node from Redis')
    }
    await this.#compare([...new Set([...this.#parts.keys(), ...this.#left.values()])])
  }

  /** Removes a dead node from all channels, unless it is back. */
  async removeNode ({ nodeId, term }: DeadNode): Promise<void> {
    const { leases, terms, dead } = this.#keys
    const listed = this.#keys.channelsOf(nodeId)
    const channels = await this.#commands.call('smembers', listed) as string[]
    await Promise.all(channels.map(async (channel) => {
      const changes = await this.#run(channel, nodeId, term * CALLS - 1, 'gone', [])
      // Changes of another node are only reported to those who listen to the channel.
      if (nodeId === this.#settings.nodeId) for (const { kind, user_id: user } of changes) this.#listener({ channel, kind, user_id: user })
    }))
    await this.#commands.run(forget, [leases, terms, dead, listed], [nodeId, term])
  }

  close (): void {
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#strays.close()
    this.#left.clear()
    for (const channel of [...this.#rosters.keys()]) this.unwatch(channel)
  }

  /** Removes what a node that is gone left behind; should the node be back in its next term meanwhile, this has no effect. */
  async #removeStrays (channel: string, nodeId: string): Promise<void> {
    const [,, nodes] = this.#keys.presence(topicOf.channel(channel))
    const call = Number(await this.#commands.call('hget', nodes, nodeId) ?? 0)
    await this.#run(channel, nodeId, (Math.floor(call / CALLS) + 1) * CALLS - 1, 'gone', [])
  }

  async #readUsers (channel: string): Promise<{ number: number, users: Set<string> }> {
    const [, users, nodes] = this.#keys.presence(topicOf.channel(channel))
    const [number, found] = await this.#commands.run(scripts.roster, [users, nodes], []) as [number, string[]]
    return { number, users: new Set(found.map(decodeUser)) }
  }

  async #change (channel: string, part: Part, sign: Change['sign'], client: PresentClient): Promise<void> {
    try {
      await this.#changes.push(channel, { sign, client, roster: this.#rosters.get(channel) })
    } catch (error) {
      // It may not even have been sent, if earlier calls took too long.
      part.isDirty = true
      throw error
    }
  }

  #isUncertain ({ isDirty, term }: Part): boolean {
    return isDirty || term !== this.#settings.term()
  }

  async #compare (channels: readonly string[]): Promise<void> {
    await Promise.all(channels.map(async (channel) => {
      try {
        await this.#changes.push(channel, 'all')
      } catch (error) {
        this.#log.warn({ err: error, channel }, 'could not renew presence in Redis yet; will retry')
      }
    }))
  }

  async #apply (channel: string, batch: (Change | 'all')[], leftMs: number): Promise<void[]> {
    // The node is leaving all channels; later additions would remain.
    if (this.#isClosed) return batch.map(() => undefined)
    const { nodeId, ttlMs } = this.#settings
    const deadline = new Deadline(leftMs)
    // Read once, since it can change during the calls.
    const term = this.#settings.term()
    const part = this.#parts.get(channel) ?? { clients: new Map(), isDirty: true, term, isListed: false }
    const isAll = this.#isUncertain(part) || batch.includes('all')
    // Until the call is known to have succeeded.
    part.isDirty = true
    if (isAll || !part.isListed) await this.#commands.run(scripts.enlist, [this.#keys.channelsOf(nodeId)], [channel, ttlMs], deadline)
    part.isListed = true
    if (this.#isClosed) return batch.map(() => undefined)
    const asked = batch.filter((change) => change !== 'all')
    const changes = isAll ? [...part.clients.values()].map((client): Change => ({ sign: '+', client })) : asked
    const made = await this.#run(channel, nodeId, term * CALLS + ++this.#calls, isAll ? 'all' : 'some', changes, deadline)
    part.isDirty = false
    part.term = term
    for (const change of made) this.#made(change, asked)
    // Otherwise Redis still has clients that left, and needs the list to find them.
    if (part.clients.size === 0 && !this.#changes.isWaiting(channel)) await this.#release(channel, part)
    return batch.map(() => undefined)
  }

  /** Releases a channel that this node's last socket has left; another may join meanwhile. */
  async #release (channel: string, part: Part): Promise<void> {
    part.isListed = false
    await this.#commands.call('srem', this.#keys.channelsOf(this.#settings.nodeId), channel).catch(() => {})
    if (part.clients.size > 0 || this.#parts.get(channel) !== part) return
    this.#parts.delete(channel)
    if (!this.#isClosed) this.#left.set(channel, channel)
  }

  async #run (channel: string, nodeId: string, call: number, mode: 'some' | 'all' | 'gone', changes: Change[], deadline?: Deadline): Promise<NumberedChange[]> {
    const topic = topicOf.channel(channel)
    const { publishCommand, ttlMs } = this.#settings
    const args = [publishCommand, this.#keys.channel(topic), encode(channel), nodeId, call, ttlMs, mode]
    for (const { sign, client } of changes) {
      args.push(sign, client.client_id, client.user_id === null ? '' : encode(client.user_id))
    }
    const made = await this.#commands.run(scripts.presence, this.#keys.presence(topic), args, deadline) as string[]
    return Array.from({ length: made.length / 3 }, (_, i) => {
      const [number, kind, user] = made.slice(3 * i, 3 * i + 3) as [string, NumberedChange['kind'], string]
      return { channel, number: Number(number), kind, user_id: decodeUser(user) }
    })
  }

  /**
   * Reports a change made by this node, unless a roster does: there is none before the first member, nor after the last.
   *
   * @param asked requested changes; others only reconcile Redis with what was reported before
   */
  #made (change: NumberedChange, asked: readonly Change[]): void {
    const { channel, kind, user_id: user, number } = change
    const its = asked.filter(({ sign, client }) => sign === (kind === 'joined' ? '+' : '-') && client.user_id === user)
    if (its.length === 0 || its.some(({ roster }) => roster?.hasTold(number))) return
    const roster = this.#rosters.get(channel)
    if (roster === undefined) this.#listener({ channel, kind, user_id: user })
    else roster.made(change)
  }
}

/** Parses an entry: its join order, node and user. */
function parseEntry (entry: string): { order: number, node: string, user_id: string | null } {
  const [order, node] = entry.split(' ', 2) as [string, string]
  const user = entry.slice(order.length + node.length + 2)
  return { order: Number(order), node, user_id: user === '' ? null : decodeUser(user) }
}
