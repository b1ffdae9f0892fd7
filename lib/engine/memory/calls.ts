import { CALL_RETENTION_MS, type CallStore, type KnownCall } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'

/** The calls of one node. None is ever lost: they end with the process that knows them. */
export class MemoryCallStore implements CallStore {
  readonly #running = new Map<string, { print: string, runner: string }>()
  readonly #ended: ExpiringMap<string, { print: string, outcome: string }>

  constructor (retentionMs = CALL_RETENTION_MS) {
    this.#ended = new ExpiringMap(retentionMs)
  }

  begin (key: string, print: string, runner: string): KnownCall {
    const running = this.#running.get(key)
    if (running !== undefined) return { state: running.print === print ? 'running' : 'other' }
    const ended = this.#ended.get(key)
    if (ended !== undefined) return ended.print === print ? { state: 'ended', outcome: ended.outcome } : { state: 'other' }
    this.#running.set(key, { print, runner })
    return { state: 'new' }
  }

  async finish (key: string, runner: string, outcome: string | null): Promise<void> {
    const call = this.#running.get(key)
    if (call?.runner !== runner) return
    this.#running.delete(key)
    if (outcome !== null) this.#ended.set(key, { print: call.print, outcome })
  }

  close (): void {
    this.#running.clear()
    this.#ended.clear()
  }
}
