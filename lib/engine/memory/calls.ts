import { CALL_TIMES, type CallStore, type CallTimes, type KnownCall } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'

/** The calls of one node. Whoever runs one is this process: none is ever lost. */
export class MemoryCallStore implements CallStore {
  readonly #calls: ExpiringMap<string, { print: string, runner: string, outcome: string | null }>

  constructor ({ keepMs }: Pick<CallTimes, 'keepMs'> = CALL_TIMES) {
    this.#calls = new ExpiringMap(keepMs)
  }

  begin (key: string, print: string, runner: string): KnownCall {
    const call = this.#calls.get(key)
    if (call === undefined) {
      this.#calls.set(key, { print, runner, outcome: null })
      return { state: 'new' }
    }
    if (call.print !== print) return { state: 'other' }
    return call.outcome === null ? { state: 'running' } : { state: 'ended', outcome: call.outcome }
  }

  async renew (key: string, runner: string): Promise<void> {
    const call = this.#calls.get(key)
    if (call?.runner === runner) this.#calls.set(key, call)
  }

  async finish (key: string, runner: string, outcome: string | null): Promise<void> {
    const call = this.#calls.get(key)
    if (call?.runner !== runner) return
    if (outcome === null) this.#calls.delete(key)
    else this.#calls.set(key, { ...call, outcome })
  }

  close (): void {
    this.#calls.clear()
  }
}
