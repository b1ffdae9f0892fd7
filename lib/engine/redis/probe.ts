import { AvailabilityReason } from '../../../schemas/records.js'
import { isAccessDenied, notPermitted, refusal } from './access.js'
import type { RedisClient } from './client.js'
import { evaluate } from './commands.js'
import { isReply } from './error-replies.js'
import { Deadline } from './deadline.js'
import type { Keys } from './keys.js'
import * as calls from './call-scripts.js'
import * as lanes from './lane-scripts.js'
import type { Link } from './link.js'
import { Script } from './lua.js'
import * as nodes from './node-scripts.js'
import * as presence from './presence-scripts.js'
import * as scripts from './probe-scripts.js'
import * as questions from './question-scripts.js'
import * as revocations from './revocation-scripts.js'
import { tagOf } from './slots.js'
import * as streams from './stream-scripts.js'
import * as tickets from './ticket-scripts.js'

export interface ProbeSettings {
  isCluster: boolean
  /** Command with which scripts publish on a topic's channel. */
  publishCommand: string
  timeoutMs: number
  /** Interval of probes while everything works. */
  everyMs: number
}

export interface ProbeEvents {
  /** Called with the faults found, and an error that shows one. */
  onResult: (reasons: readonly AvailabilityReason[], error: unknown) => void
  /** Called when Redis accepts again what it had refused. */
  onRecovered: () => void
}

/** @property reason fault of a server; null: none */
interface Finding { reason: AvailabilityReason | null, error?: unknown, isReadable: boolean }

/** Longest interval of probes during a fault. */
const SOON_MS = 1_000
/** Successful probes in a row required after a fault: a server at its memory limit accepts one write and refuses the next. */
const MIN_ACCEPTED = 2

const FINE: Finding = { reason: null, isReadable: true }

/**
 * Probes whether Redis, or each master of a cluster, accepts writes and publications of this node: at intervals, and soon after a
 * call has failed.
 */
export class Probe {
  readonly #link: Link
  readonly #keys: Keys
  readonly #settings: ProbeSettings
  readonly #soonMs: number
  readonly #events: ProbeEvents
  #timer: NodeJS.Timeout | null = null
  #startedAt = -Infinity
  /** True until opened, so nothing is probed before. */
  #isRunning = true
  /** True if a call has failed since the latest probe. */
  #isWanted = true
  #isFailing = false
  #accepted = 0
  #isClosed = false

  constructor (link: Link, keys: Keys, settings: ProbeSettings, events: ProbeEvents) {
    this.#link = link
    this.#keys = keys
    this.#settings = settings
    this.#soonMs = Math.min(SOON_MS, settings.everyMs)
    this.#events = events
  }

  /**
   * Probes for the first time, and periodically from now on.
   *
   * @throws the reply of Redis if its user lacks a permission
   */
  async open (): Promise<void> {
    const error = await this.#run()
    if (isAccessDenied(error)) throw error
  }

  /** Adds the commands that Redis refuses now to the error of a refused call; returns the error unchanged if Redis does not answer in time. */
  async nameRefused (error: unknown): Promise<unknown> {
    try {
      const deadline = new Deadline(this.#settings.timeoutMs)
      const client = await this.#link.ready(deadline)
      const findings = await Promise.all(this.#tagsOf(client).map((tag) => this.#ask(client, tag, scriptCommands, deadline)))
      const refused = findings.find((finding) => finding?.reason === 'access_denied')?.error
      return refused === undefined ? error : refusal('a command', refused)
    } catch {
      return error
    }
  }

  /** Probes soon after a failed call; at most once per interval. */
  soon (): void {
    this.#isWanted = true
    if (!this.#isRunning) this.#schedule(Math.max(0, this.#startedAt + this.#soonMs - performance.now()))
  }

  close (): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #schedule (ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (!this.#isClosed) this.#timer = setTimeout(() => this.#run(), ms)
  }

  /** Resolves to an error that shows a fault; null: none known. */
  async #run (): Promise<unknown> {
    // Permissions are only probed then, since that causes errors that the server counts.
    const commands = this.#isFailing || this.#isWanted ? scriptCommands : []
    this.#isRunning = true
    this.#isWanted = false
    this.#startedAt = performance.now()
    const error = this.#link.isUp ? await this.#probe(commands) : null
    this.#isRunning = false
    this.#schedule(this.#isFailing || this.#isWanted ? this.#soonMs : this.#settings.everyMs)
    return error
  }

  async #probe (commands: readonly string[]): Promise<unknown> {
    const deadline = new Deadline(this.#settings.timeoutMs)
    const client = await this.#link.ready(deadline)
    const findings = await Promise.all(this.#tagsOf(client).map((tag) => this.#ask(client, tag, commands, deadline)))
    // A probe on a broken connection says nothing about the server: probe again on the next one.
    if (this.#link.isCurrent(client) && findings.every((finding) => finding !== null)) return this.#judge(findings)
    this.#isWanted = true
    return null
  }

  #judge (findings: readonly Finding[]): unknown {
    const found = new Set(findings.flatMap(({ reason }) => reason ?? []))
    const error = findings.find(({ reason }) => reason !== null)?.error
    if (found.size === 0 && this.#isFailing) {
      if (this.#accepted++ === 0) this.#events.onRecovered()
      if (this.#accepted < MIN_ACCEPTED) return null
    }
    this.#isFailing = found.size > 0
    this.#accepted = 0
    if (findings.some(({ isReadable }) => isReadable)) this.#events.onResult([...found], error)
    // Nothing works, so partial faults are not reported, only the cause.
    else this.#events.onResult(found.has('access_denied') ? ['unreachable', 'access_denied'] : ['unreachable'], error)
    return error
  }

  /** null: for a single server, the link detects silence and broken connections. */
  async #ask (client: RedisClient, tag: string, commands: readonly string[], deadline: Deadline): Promise<Finding | null> {
    const [key, channel] = this.#keys.probe(tag)
    try {
      const refused = await deadline.race(evaluate(client, scripts.probe, [key], [this.#settings.publishCommand, channel, ...commands])) as string[]
      if (refused.length === 0) return FINE
      return { reason: 'access_denied', error: notPermitted(refused), isReadable: true }
    } catch (error) {
      const reason = this.#reasonOf(error)
      if (reason === null) return null
      const isReadable = reason !== 'shard_unreachable' &&
        await deadline.race(evaluate(client, scripts.testRead, [key], [])).then(() => true, () => false)
      return { reason, error, isReadable }
    }
  }

  #reasonOf (error: unknown): AvailabilityReason | null {
    if (isAccessDenied(error)) return 'access_denied'
    const { isCluster } = this.#settings
    if (isReply(error) && !(isCluster && isReply(error, 'CLUSTERDOWN'))) return 'writes_refused'
    return isCluster ? 'shard_unreachable' : null
  }

  /** Returns a hash tag for each master, of one of its slots. */
  #tagsOf ({ slots }: RedisClient): string[] {
    if (slots === undefined) return ['all']
    const tags = new Map<string, string>()
    slots.forEach((servers, slot) => {
      const master = servers?.[0]
      if (master !== undefined && !tags.has(master)) tags.set(master, tagOf(slot))
    })
    return [...tags.values()]
  }
}

const MODULES: readonly Record<string, unknown>[] = [calls, lanes, nodes, presence, questions, revocations, streams, tickets]

/**
 * Commands whose permission is probed: all that scripts call, and those sent directly that a script can call. Commands with
 * subcommands are left out; their own calls show whether they are permitted.
 */
export const scriptCommands: readonly string[] = [...new Set([
  'PING', 'INFO',
  ...MODULES.flatMap((module) => Object.values(module).filter((script) => script instanceof Script))
    .flatMap(({ source }) => [...source.matchAll(/redis\.p?call\('(\w+)'/g)].map(([, name]) => name!))
    .filter((name) => name !== 'PUBSUB')
])]
