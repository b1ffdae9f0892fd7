import type { Connection } from '../socket/connection.js'

/** Retention of a list's version: longer than a change takes from the store to this node. */
const LATE_MS = 2_000

/** The members that were sent a channel's presence list within the last seconds, and the change that each list is as of. */
export class RecentLists {
  /** Two generations; the older is dropped as a whole, so no list needs its own timer. */
  #newer = new Map<string, Map<Connection, number>>()
  #older = new Map<string, Map<Connection, number>>()
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  add (channel: string, connection: Connection, asOf: number): void {
    if (this.#isClosed) return
    const lists = this.#newer.get(channel)
    if (lists === undefined) this.#newer.set(channel, new Map([[connection, asOf]]))
    else lists.set(connection, asOf)
    // Expiry must not keep the process alive.
    this.#timer ??= setInterval(() => this.#age(), LATE_MS).unref()
  }

  of (channel: string): Map<Connection, number> {
    return new Map([...this.#older.get(channel) ?? [], ...this.#newer.get(channel) ?? []])
  }

  close (): void {
    this.#isClosed = true
    clearInterval(this.#timer!)
  }

  #age (): void {
    this.#older = this.#newer
    this.#newer = new Map()
    if (this.#older.size > 0) return
    clearInterval(this.#timer!)
    this.#timer = null
  }
}
