import { setTimeout } from 'node:timers/promises'
import { isOurs } from '../../wire-error.js'
import { refusal } from './access.js'
import type { RedisClient } from './client.js'
import { Deadline } from './deadline.js'
import { isPassing, isReply } from './error-replies.js'
import type { Link } from './link.js'
import type { Script } from './lua.js'

/** Pause before a call that failed for a transient reason is retried. */
const RETRY_MS = 50

/** Calls that settle within their time-out, whatever happens to the connection, and are retried on the next connection. */
export class Commands {
  readonly #link: Link
  readonly #timeoutMs: number
  #onFault: () => void = () => {}

  constructor (link: Link, timeoutMs: number) {
    this.#link = link
    this.#timeoutMs = timeoutMs
  }

  deadline (): Deadline {
    return new Deadline(this.#timeoutMs)
  }

  /** Sets the single listener for calls that were refused or timed out. */
  onFault (listener: () => void): void {
    this.#onFault = listener
  }

  /**
   * Runs a script. It may run twice, since the connection can break after the first run: every script must be idempotent.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  run (script: Script, keys: string[], args: (string | number)[], deadline = this.deadline()): Promise<unknown> {
    return this.#retry(deadline, (client) => evaluate(client, script, keys, args), script)
  }

  /** Runs a command that may run twice. */
  call (command: string, ...args: (string | number)[]): Promise<unknown> {
    return this.#retry(this.deadline(), (client) => client.call(command, ...args))
  }

  async #retry (deadline: Deadline, send: (client: RedisClient) => Promise<unknown>, script?: Script): Promise<unknown> {
    for (;;) {
      const client = await this.#link.ready(deadline)
      try {
        return await deadline.race(send(client))
      } catch (error) {
        // Not retried here: the lane must be settled first, see `lineage.ts`.
        if (isReply(error, 'UNSURE')) throw error
        if (isOurs(error) || isReply(error)) this.#onFault()
        if (isOurs(error)) throw error
        if (!isReply(error) && !client.isCluster) {
          // The connection is broken, even if its end has not been noticed yet.
          this.#link.drop(client, error)
          continue
        }
        // The master has become a replica: the next connection finds the new master.
        if (isReply(error, 'READONLY')) this.#link.drop(client, error)
        const mayPass = !isReply(error) || isPassing(error)
        if (!mayPass || deadline.leftMs <= RETRY_MS) throw refusal('a command', error, script)
        // One server of a cluster is down, or slots are moving: connections to the others are kept.
        await setTimeout(RETRY_MS)
      }
    }
  }
}

/** Runs a script on one connection, once. Rejects with the error of Redis or ioredis. */
export async function evaluate (client: RedisClient, script: Script, keys: string[], args: (string | number)[]): Promise<unknown> {
  try {
    return await client.call('evalsha', script.sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!isReply(error, 'NOSCRIPT')) throw error
    return client.call('eval', script.source, keys.length, ...keys, ...args)
  }
}
