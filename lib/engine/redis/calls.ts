import type { FastifyBaseLogger } from 'fastify'
import { CALL_TIMES, type CallStore, type CallTimes, type KnownCall } from '../engine.js'
import * as scripts from './call-scripts.js'
import type { Commands } from './commands.js'
import type { Keys } from './keys.js'

/** Calls of all nodes: one that was begun on a node is known to every other. */
export class RedisCallStore implements CallStore {
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #log: FastifyBaseLogger
  readonly #times: CallTimes

  constructor (commands: Commands, keys: Keys, log: FastifyBaseLogger, times: CallTimes = CALL_TIMES) {
    this.#commands = commands
    this.#keys = keys
    this.#log = log
    this.#times = times
  }

  async begin (key: string, print: string, runner: string): Promise<KnownCall> {
    const { leaseMs, keepMs } = this.#times
    const [state, outcome] = await this.#commands.run(scripts.begin, [this.#keys.call(key)], [print, runner, leaseMs, keepMs]) as [Exclude<KnownCall['state'], 'ended'> | 'ended', string]
    return state === 'ended' ? { state, outcome } : { state }
  }

  async renew (key: string, runner: string): Promise<void> {
    const { leaseMs, keepMs } = this.#times
    try {
      await this.#commands.run(scripts.renew, [this.#keys.call(key)], [runner, leaseMs, keepMs])
    } catch (error) {
      this.#log.warn({ err: error }, 'could not renew the lease of a running call yet; will retry')
    }
  }

  async finish (key: string, runner: string, outcome: string | null): Promise<void> {
    await this.#commands.run(scripts.finish, [this.#keys.call(key)], [runner, outcome ?? '', this.#times.keepMs])
  }
}
