import type { FastifyBaseLogger } from 'fastify'
import type { Clock, Revocable, Revocation, RevocationStore } from '../engine.js'
import { RevocationList } from '../revocation-list.js'
import type { Commands } from './commands.js'
import type { Keys } from './keys.js'
import type { Lane } from './lane.js'
import type { Lineage } from './lineage.js'
import * as scripts from './revocation-scripts.js'
import { newEpoch } from './streams.js'

/** All revocations share a slot. */
const REVOCATIONS = '~revocations'
const PAGE = 1_000
/** Number written back at a time. */
const AT_ONCE = 100

const OF_TOKEN = 'jti:'
const OF_USER = 'user:'

/** The parts of the engine that revocations need. */
interface RevocationParts { commands: Commands, lineage: Lineage, keys: Keys, clock: Clock }

export interface RevocationSettings {
  /** Maximum number kept. */
  max: number
  /** Returns true if the other nodes know this one and can notify it. */
  isReachable: () => boolean
  /** Resolves once that is so. @throws WSM_ERR_UNAVAILABLE */
  reachable: () => Promise<void>
}

/** State as of which the list was read; without an epoch it was empty. */
interface Known { epoch: string, generation: string, number: number }
const NOTHING: Known = { epoch: '', generation: '', number: 0 }
type Read = [epoch: string, generation: string, number: number, entries: [name: string, before: string, expiry: string][]]

/**
 * Revocations of all nodes. Each node has all of them in memory: it reads them at startup, is notified of each new one by the
 * storing node, and reads on whenever it may have missed one. That is the case after a connection broke and after its lease
 * expired, since only nodes with a lease are notified. From the break until it has read on, it answers that it does not know.
 *
 * If Redis has lost some, for instance by a restart without persistence, the nodes write back what they know.
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
  /** Number of times that something may have been missed. */
  #gaps = 1
  /** Number of those whose missed revocations have been read. */
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

  /** Marks the list as incomplete until it has been read again. */
  mayHaveMissed (): void {
    this.#gaps++
  }

  /** Reads on: revocations that were missed, or of which this node was not notified. */
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
    // Reachable first, then read: a node that stores a revocation after this reading finds this node and notifies it.
    await this.#settings.reachable()
    const before = this.#known
    let known = before
    const found = new Set<string>()
    let isNews = false
    for (let isDone = false; !isDone;) {
      const args = [known.epoch, known.generation, known.number, PAGE]
      const [epoch, generation, number, entries] = await this.#lineage.run(this.#lane, scripts.read, this.#keys, args) as Read
      // Earlier findings may be lost.
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
    // If that failed, everything is read and compared again.
    this.#known = known
  }

  /** Writes back what this node knows and Redis has lost. */
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
