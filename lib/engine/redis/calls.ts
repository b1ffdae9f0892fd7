import type { FastifyBaseLogger } from 'fastify'
import { CALL_RETENTION_MS, type CallStore, type KnownCall } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'
import * as scripts from './call-scripts.js'
import type { Commands } from './commands.js'
import type { Keys } from './keys.js'
import type { Script } from './lua.js'

/** Lease of a call without renewal, and retention of its outcome; milliseconds. */
interface CallTimes { leaseMs: number, retentionMs?: number }

/** An attempt to run a call that this node has begun, until its end is stored. */
interface Attempt {
  readonly key: string
  readonly print: string
  readonly runner: string
  /** Outcome to be stored; null: the call is to be forgotten; undefined: it is running. */
  readonly end: string | null | undefined
  /** Time after which its end is given up, as `performance.now()`. */
  readonly until: number
  /** True until the first round of renewals, which it does not need. */
  isFresh: boolean
}

interface Ended { key: string, print: string, runner: string, outcome: string }

/** Maximum number of calls that are restored at the same time. */
const AT_ONCE = 100

/** Calls of all nodes: one that was begun on a node is known to every other. */
export class RedisCallStore implements CallStore {
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #leaseMs: number
  readonly #retentionMs: number
  readonly #log: FastifyBaseLogger
  /** By runner: several attempts can have the same key. */
  readonly #attempts = new Map<string, Attempt>()
  /** Calls that have ended here, which Redis may lose. */
  readonly #ended: ExpiringMap<string, Ended>
  /** Renews leases and retries what could not be stored; runs while there is any attempt. */
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  constructor (commands: Commands, keys: Keys, { leaseMs, retentionMs = CALL_RETENTION_MS }: CallTimes, log: FastifyBaseLogger) {
    this.#commands = commands
    this.#keys = keys
    this.#leaseMs = leaseMs
    this.#retentionMs = retentionMs
    this.#ended = new ExpiringMap(retentionMs)
    this.#log = log
  }

  async begin (key: string, print: string, runner: string): Promise<KnownCall> {
    let known
    try {
      known = await this.#run(scripts.begin, key, [print, runner, this.#leaseMs, this.#retentionMs])
    } catch (error) {
      // It may have begun, or begin later.
      this.#keep({ key, print, runner, end: null })
      throw error
    }
    const [state, outcome] = known as [KnownCall['state'], string]
    if (state === 'ended') return { state, outcome }
    if (state === 'new') this.#keep({ key, print, runner, end: undefined })
    return { state }
  }

  async finish (key: string, runner: string, outcome: string | null): Promise<void> {
    const print = this.#attempts.get(runner)?.print
    if (print === undefined) return
    if (outcome !== null) this.#ended.set(key, { key, print, runner, outcome })
    await this.#attend(this.#keep({ key, print, runner, end: outcome }))
  }

  /** Stores again what this node knows of calls, after Redis has lost writes. @throws WSM_ERR_UNAVAILABLE */
  async restore (): Promise<void> {
    for (const attempt of this.#attempts.values()) this.#attend(attempt)
    const ended = [...this.#ended.values()]
    for (let at = 0; at < ended.length; at += AT_ONCE) {
      await Promise.all(ended.slice(at, at + AT_ONCE).map((call) => this.#end(call)))
    }
  }

  close (): void {
    this.#isClosed = true
    this.#attempts.clear()
    this.#ended.clear()
    this.#stop()
  }

  #keep (begun: Omit<Attempt, 'until' | 'isFresh'>): Attempt {
    const attempt = { ...begun, until: performance.now() + this.#retentionMs, isFresh: true }
    if (this.#isClosed) return attempt
    this.#attempts.set(attempt.runner, attempt)
    this.#timer ??= setInterval(() => this.#attendAll(), this.#leaseMs / 3)
    return attempt
  }

  #attendAll (): void {
    for (const attempt of this.#attempts.values()) {
      if (!attempt.isFresh) this.#attend(attempt)
      attempt.isFresh = false
    }
  }

  /** Renews the lease of a running call, or stores its end. */
  async #attend (attempt: Attempt): Promise<void> {
    const { key, print, runner, end, until } = attempt
    try {
      if (end === undefined) await this.#run(scripts.renew, key, [print, runner, this.#leaseMs, this.#retentionMs])
      else if (end === null) await this.#run(scripts.forget, key, [runner, this.#leaseMs])
      else await this.#end({ key, print, runner, outcome: end })
      if (end !== undefined) this.#drop(attempt)
    } catch (error) {
      this.#log.debug({ err: error }, 'could not update a call with an idempotency key yet; will retry')
      if (end !== undefined && performance.now() > until) this.#drop(attempt)
    }
  }

  #end ({ key, print, runner, outcome }: Ended): Promise<unknown> {
    return this.#run(scripts.finish, key, [print, runner, outcome, this.#retentionMs])
  }

  #drop (attempt: Attempt): void {
    this.#attempts.delete(attempt.runner)
    if (this.#attempts.size === 0) this.#stop()
  }

  #stop (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #run (script: Script, key: string, args: (string | number)[]): Promise<unknown> {
    return this.#commands.run(script, [this.#keys.call(key)], args)
  }
}
