import { AvailabilityReason } from '../../../schemas/records.js'
import { isAccessDenied, notPermitted } from './access.js'
import type { RedisClient } from './client.js'
import { evaluate, isReply } from './commands.js'
import { Deadline } from './deadline.js'
import type { Keys } from './keys.js'
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
  /** The command with which scripts publish on a topic's channel. */
  publishCommand: string
  timeoutMs: number
  /** How often it is probed while all works. */
  everyMs: number
}

export interface ProbeEvents {
  /** What does not work, and an error that shows it. */
  onResult: (reasons: readonly AvailabilityReason[], error: unknown) => void
  /** Redis takes everything again that it has refused. */
  onRecovered: () => void
}

/** @property reason what is wrong with a server; null: nothing */
interface Finding { reason: AvailabilityReason | null, error?: unknown, isReadable: boolean }

/** How often it is probed while something does not work, at the least. */
const SOON_MS = 1_000
/** So often all must have worked before it is believed: a server at its limit takes one write and refuses the next. */
const ACCEPTED_TWICE = 2

const FINE: Finding = { reason: null, isReadable: true }

/**
 * Looks whether Redis takes what this node writes, and of a cluster whether each master does: at intervals, and soon after any
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
  /** Before it is opened nothing is probed. */
  #isRunning = true
  /** Whether something has failed since the latest look. */
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
   * Probes for the first time, and from now on.
   *
   * @throws what Redis has answered, where its user may not do all that the engine does
   */
  async open (): Promise<void> {
    const error = await this.#run()
    if (isAccessDenied(error)) throw error
  }

  /** Probes now, or a little later where it was probed just before: something has failed. */
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

  /** Resolves to an error that shows what does not work. */
  async #run (): Promise<unknown> {
    // What the user may do is asked only then: it makes errors that the server counts.
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
    // What was asked on a connection that is gone says nothing: mostly the next one is there already.
    if (this.#link.isCurrent(client) && findings.every((finding) => finding !== null)) return this.#judge(findings)
    this.#isWanted = true
    return null
  }

  #judge (findings: readonly Finding[]): unknown {
    const found = new Set(findings.flatMap(({ reason }) => reason ?? []))
    const error = findings.find(({ reason }) => reason !== null)?.error
    if (found.size === 0 && this.#isFailing) {
      if (this.#accepted++ === 0) this.#events.onRecovered()
      if (this.#accepted < ACCEPTED_TWICE) return null
    }
    this.#isFailing = found.size > 0
    this.#accepted = 0
    if (findings.some(({ isReadable }) => isReadable)) this.#events.onResult([...found], error)
    // Nothing works: a part that does not is no more to be told of, but why is.
    else this.#events.onResult(found.has('access_denied') ? ['unreachable', 'access_denied'] : ['unreachable'], error)
    return error
  }

  /** null: of a server that is alone, silence and breaks are noticed by the connection. */
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
        await deadline.race(evaluate(client, scripts.look, [key], [])).then(() => true, () => false)
      return { reason, error, isReadable }
    }
  }

  #reasonOf (error: unknown): AvailabilityReason | null {
    if (isAccessDenied(error)) return 'access_denied'
    const { isCluster } = this.#settings
    if (isReply(error) && !(isCluster && isReply(error, 'CLUSTERDOWN'))) return 'writes_refused'
    return isCluster ? 'shard_unreachable' : null
  }

  /** A hash tag for each server: one of a slot that it has. */
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

const MODULES: readonly Record<string, unknown>[] = [lanes, nodes, presence, questions, revocations, streams, tickets]

/**
 * Every command that scripts name and that has no subcommands, and what can be called by a script of that which is sent besides:
 * of the rest the calls themselves show whether they may be made.
 */
export const scriptCommands: readonly string[] = [...new Set([
  'PING', 'INFO',
  ...MODULES.flatMap((module) => Object.values(module).filter((script) => script instanceof Script))
    .flatMap(({ source }) => [...source.matchAll(/redis\.p?call\('(\w+)'/g)].map(([, name]) => name!))
    .filter((name) => name !== 'PUBSUB')
])]
