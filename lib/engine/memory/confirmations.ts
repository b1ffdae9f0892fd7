import type { ConfirmationRecord } from '../../../schemas/records.js'
import type { ConfirmationFilter, ConfirmationStore, Settlement } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'

/** The questions of one node. */
export class MemoryConfirmationStore implements ConfirmationStore {
  readonly outlivesNode = false
  readonly #pending = new Map<string, ConfirmationRecord>()
  readonly #settled: ExpiringMap<string, ConfirmationRecord>
  #listener: (record: ConfirmationRecord) => void = () => {}

  constructor (retainMs: number) {
    this.#settled = new ExpiringMap(retainMs)
  }

  async create (record: ConfirmationRecord): Promise<void> {
    this.#pending.set(record.callback_id, record)
  }

  async get (callbackId: string): Promise<ConfirmationRecord | null> {
    return this.#pending.get(callbackId) ?? this.#settled.get(callbackId) ?? null
  }

  async list (filter: ConfirmationFilter): Promise<ConfirmationRecord[]> {
    const matches = (record: ConfirmationRecord) =>
      (filter.user_id === undefined || filter.user_id === record.user_id) &&
      (filter.task_id === undefined || filter.task_id === record.task_id) &&
      (filter.status === undefined || filter.status === record.status)
    const settled = filter.status === 'pending' ? [] : this.#settled.values()
    return [...settled, ...this.#pending.values()].filter(matches).sort((a, b) => a.created_at - b.created_at)
  }

  async settle (callbackId: string, { outcome, ...answer }: Settlement) {
    const record = this.#pending.get(callbackId)
    if (record === undefined) {
      const settled = this.#settled.get(callbackId)
      return settled === undefined ? null : { won: false, record: settled }
    }
    const settled = { ...record, ...answer, status: outcome, settled_at: Date.now() }
    this.#pending.delete(callbackId)
    this.#settled.set(callbackId, settled)
    this.#listener(settled)
    return { won: true, record: settled }
  }

  onSettled (listener: (record: ConfirmationRecord) => void): void {
    this.#listener = listener
  }

  pendingCount (): number {
    return this.#pending.size
  }

  close (): void {
    this.#pending.clear()
    this.#settled.clear()
  }
}
