import type { Connection } from '../connection/connection.js'

/** How long a list's version is remembered; a change can arrive that long after it was stored. */
const LATE_MS = 2_000

/** Which members of which channel were told who is there, within the last seconds, and as of which change. */
export class RecentLists {
  /** The older half goes all at once: no list needs a timer of its own. */
  #newer = new Map<string, Map<Connection, number>>()
  #older = new Map<string, Map<Connection, number>>()
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  add (channel: string, connection: Connection, asOf: number): void {
    if (this.#isClosed) return
    const lists = this.#newer.get(channel)
    if (lists === undefined) this.#newer.set(channel, new Map([[connection, asOf]]))
    else lists.set(connection, asOf)
    this.#timer ??= setInterval(() => this.#age(), LATE_MS)
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
