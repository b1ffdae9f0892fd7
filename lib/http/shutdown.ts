import { randomInt } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { closeCodes } from '../../schemas/codes.js'
import type { Registry } from '../socket/registry.js'
import { inTime } from '../in-time.js'
import { encodeFrame } from '../socket/message.js'
import { logThrown } from '../thrown.js'
import type { UnfinishedRequests } from './unfinished-requests.js'
import type { Upgrades } from './upgrades.js'

/** Time for destroyed sockets to report their close. */
const FINAL_MS = 1_000

export interface ShutdownSettings {
  /** Time allowed for final messages during shutdown. */
  drainMs: number
  /** Window over which clients' reconnects are spread. */
  windowMs: number
  /** True if other nodes keep running. */
  isOneOfMany: boolean
  /** Time for clients to answer the close frame. */
  closeTimeoutMs: number
  log: FastifyBaseLogger
}

/** Closes every socket of a node: first with a close frame, and after a time-out without one. */
export class Shutdown {
  readonly #registry: Registry
  readonly #upgrades: Upgrades
  readonly #requests: UnfinishedRequests
  readonly #settings: ShutdownSettings
  #done: Promise<void> | null = null

  constructor (registry: Registry, upgrades: Upgrades, requests: UnfinishedRequests, settings: ShutdownSettings) {
    this.#registry = registry
    this.#upgrades = upgrades
    this.#requests = requests
    this.#settings = settings
  }

  get isClosing (): boolean {
    return this.#done !== null
  }

  /**
   * Idempotent: every call returns the same promise.
   *
   * @param prepare sends final messages while the sockets are open; no new socket is accepted any more
   */
  close (prepare: () => Promise<void>): Promise<void> {
    this.#done ??= this.#close(prepare)
    return this.#done
  }

  async #close (prepare: () => Promise<void>): Promise<void> {
    this.#requests.end()
    // Not in the same turn: isClosing must be true before anything is prepared.
    await null
    this.#upgrades.refuse()
    const { closeTimeoutMs } = this.#settings
    await this.#prepared(prepare)
    const since = performance.now()
    this.#sendAway()
    await inTime(this.#registry.empty(), closeTimeoutMs, () => {})
    for (const connection of this.#registry.all()) connection.terminate()
    this.#upgrades.destroy()
    this.#requests.destroy(since)
    await inTime(this.#registry.empty(), FINAL_MS, () => {})
  }

  /** Waits for the final messages up to their time limit. Never rejects: the sockets must be closed in any case. */
  async #prepared (prepare: () => Promise<void>): Promise<void> {
    const { drainMs, log } = this.#settings
    try {
      await inTime(prepare(), drainMs, () => log.warn('shutdown continues without all final messages: sending them took longer than drain.timeoutMs'))
    } catch (error) {
      logThrown(log, 'error', error, {}, 'shutdown continues without all final messages')
    }
  }

  /** Closes all sockets at once, each with a random delay, so that clients do not all reconnect at the same time. */
  #sendAway (): void {
    const { windowMs, isOneOfMany } = this.#settings
    const [code, reason] = isOneOfMany ? [closeCodes.serviceRestart, 'This node is closing'] : [closeCodes.goingAway, 'The server is closing']
    for (const connection of this.#registry.all()) {
      if (connection.isAdmitted) connection.send(encodeFrame({ type: 'reconnect', after_ms: randomInt(windowMs + 1) }))
      connection.close(code, reason)
    }
  }
}
