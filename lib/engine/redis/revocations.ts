import type { FastifyBaseLogger } from 'fastify'
import type { Clock, Revocable, Revocation, RevocationStore } from '../engine.js'
import { RevocationList } from '../revocation-list.js'
import type { Commands } from './commands.js'
import type { Keys } from './keys.js'
import type { Lane } from './lane.js'
import type { Lineage } from './lineage.js'
import * as scripts from './revocation-scripts.js'
import { newEpoch } from './streams.js'

/** All of them share a slot. */
const REVOCATIONS = '~revocations'
const PAGE = 1_000
/** How many are written back at a time. */
const AT_ONCE = 100

const OF_TOKEN = 'jti:'
const OF_USER = 'user:'

/** The parts of the engine that revocations need. */
interface RevocationParts { commands: Commands, lineage: Lineage, keys: Keys, clock: Clock }

export interface RevocationSettings {
  /** How many are kept. */
  max: number
  /** Whether the other nodes know of this one, and can tell it what they store. */
  isReachable: () => boolean
  /** Resolves when that is so. @throws WSM_ERR_UNAVAILABLE */
  reachable: () => Promise<void>
}

/** As of what the list was read; without an epoch there was nothing. */
interface Known { epoch: string, generation: string, number: number }
const NOTHING: Known = { epoch: '', generation: '', number: 0 }
type Read = [epoch: string, generation: string, number: number, entries: [name: string, before: string, expiry: string][]]

/**
 * The revocations of all nodes. A node has all of them in memory: read when it starts, told of each new one by the node that
 * stores it, and read on where it may have missed one. That is so after a connection broke and after its lease was over,
 * since whoever stores one asks the nodes with a lease. From the break until it has read on it answers that it does not know.
 *
 * Where Redis has lost some, by a restart without persistence for instance, the nodes write back what they know.
 */
export class RedisRevocationStore implements RevocationStore {
  readonly #commands: Commands
  readonly #lineage: Lineage
  readonly #lane: Lane
  readonly #keys: string[]
  readonly #settings: RevocationSettings
  readonly #log: FastifyBaseLogger
  readonly #list: RevocationList
  #known = NOTHING
  /** How often something may have been missed. */
  #gaps = 1
  /** Of these all that was missed has been read. */
  #filled = 0
  #reading: Promise<void> | null = null
  #listener: () => void = () => {}

  constructor ({ commands, lineage, keys, clock }: RevocationParts, settings: RevocationSettings, log: FastifyBaseLogger) {
    this.#list = new RevocationList(clock)
    this.#commands = commands
    this.#lineage = lineage
    this.#lane = lineage.lane(keys.lane(REVOCATIONS))
    this.#keys = ['state', 'numbers', 'expiries', 'moments'].map((key) => `${keys.channel(REVOCATIONS)}:${key}`)
    this.#settings = settings
    this.#log = log
  }

  async add (revocation: Revocation): Promise<boolean> {
    const hasRoom = await this.#write(revocation)
    if (hasRoom) this.#list.add(revocation)
    return hasRoom
  }

  learn (revocation: Revocation): void {
    this.#list.add(revocation)
  }

  isRevoked (user: Revocable): boolean | null {
    if (this.#list.has(user)) return true
    return this.#isCurrent ? false : null
  }

  async current (): Promise<void> {
    const deadline = this.#commands.deadline()
    while (!this.#isCurrent) await deadline.race(this.#readOn())
  }

  onLearned (listener: () => void): void {
    this.#listener = listener
  }

  /** From now on this node does not know, until it has read on. */
  mayHaveMissed (): void {
    this.#gaps++
  }

  /** Reads on: what was missed, or what nobody has told this node. */
  async refresh (): Promise<void> {
    try {
      await this.#readOn()
    } catch (error) {
      this.#log.debug({ err: error }, 'could not read the revoked tokens yet; will retry')
    }
  }

  get #isCurrent (): boolean {
    return this.#filled === this.#gaps && this.#settings.isReachable()
  }

  #readOn (): Promise<void> {
    this.#reading ??= this.#read().finally(() => { this.#reading = null })
    return this.#reading
  }

  async #read (): Promise<void> {
    const gaps = this.#gaps
    // First reachable, then read: who stores one after this has been read finds this node, and tells it.
    await this.#settings.reachable()
    const before = this.#known
    let known = before
    const found = new Set<string>()
    let isNews = false
    for (let isDone = false; !isDone;) {
      const args = [known.epoch, known.generation, known.number, PAGE]
      const [epoch, generation, number, entries] = await this.#lineage.run(this.#lane, scripts.read, this.#keys, args) as Read
      // What was found before may be lost.
      if (generation !== known.generation) found.clear()
      for (const [name, moment, expiry] of entries) {
        found.add(name)
        if (this.#list.add(revocationOf(name, moment, expiry))) isNews = true
      }
      known = { epoch, generation, number }
      isDone = entries.length < PAGE
    }
    this.#filled = gaps
    if (isNews) this.#listener()
    const isAll = before.epoch === '' || before.epoch !== known.epoch || before.generation !== known.generation
    if (isAll) await this.#writeBack(found)
    // Where that has failed, all is read and compared again.
    this.#known = known
  }

  /** What this node knows, and Redis does not any more. */
  async #writeBack (found: Set<string>): Promise<void> {
    this.#list.sweep()
    const lost = [...this.#list.values()].filter((revocation) => !found.has(nameOf(revocation)))
    for (let at = 0; at < lost.length; at += AT_ONCE) {
      await Promise.all(lost.slice(at, at + AT_ONCE).map((revocation) => this.#write(revocation)))
    }
  }

  async #write (revocation: Revocation): Promise<boolean> {
    const moment = 'jti' in revocation ? '' : revocation.issuedBefore
    return await this.#lineage.run(this.#lane, scripts.add, this.#keys,
      [nameOf(revocation), moment, revocation.expiresAt, this.#settings.max, newEpoch()]) === 1
  }
}

function nameOf (revocation: Revocation): string {
  return 'jti' in revocation ? OF_TOKEN + revocation.jti : OF_USER + revocation.userId
}

function revocationOf (name: string, moment: string, expiry: string): Revocation {
  const expiresAt = Number(expiry)
  return name.startsWith(OF_TOKEN)
    ? { jti: name.slice(OF_TOKEN.length), expiresAt }
    : { userId: name.slice(OF_USER.length), issuedBefore: Number(moment), expiresAt }
}
