import { Backoff } from './backoff.js'
import { Emitter, type Fail, type Off } from './emitter.js'

/** How the records of a list are had and shown. */
export interface LiveListParts<R, T> {
  fail: Fail
  name: string
  /** All records, by REST; null: not before there is a connection. */
  load: () => Promise<R[]> | null
  idOf: (record: R) => string
  /** The list is in this order. */
  timeOf: (record: R) => number
  /** Makes what the app sees of a record. */
  show: (record: R) => T
  /** True if a record tells nothing new; its object then stays. Default: every record does. */
  isSame?: (before: R, now: R) => boolean
}

/**
 * A list of what the server keeps for the user: loaded by REST when it is first asked for and on every new socket, and kept up to date
 * by frames in between. It changes as a whole: each change makes a new array, so that two can be compared.
 */
export class LiveList<R, T> {
  readonly #parts: LiveListParts<R, T>
  readonly #events: Emitter
  readonly #records = new Map<string, R>()
  readonly #shown = new Map<R, T>()
  /** Ids that frames have told of while the list is loaded: what they say is newer. */
  #told = new Set<string>()
  #list: readonly T[] = []
  #isWanted = false
  #loads = 0

  constructor (parts: LiveListParts<R, T>) {
    this.#parts = parts
    this.#events = new Emitter(parts.fail, parts.name)
  }

  /** The current list, oldest first. */
  get list (): readonly T[] {
    this.#want()
    return this.#list
  }

  /** Calls the listener with the list at each change. Returns a function that takes it away. */
  on (_event: 'change', listener: (list: readonly T[]) => unknown): Off {
    this.#want()
    return this.#events.on('change', listener)
  }

  /** @internal */
  record (id: string): R | undefined {
    return this.#records.get(id)
  }

  /**
   * A frame tells of a record; null: it is gone.
   *
   * @internal
   */
  tell (id: string, record: R | null): void {
    this.#told.add(id)
    this.#set(id, record)
    this.#change()
  }

  /**
   * Loads the list, once anybody wants it: what came while there was no connection, or was missed, is not known otherwise.
   *
   * @internal
   */
  async load (): Promise<void> {
    if (!this.#isWanted) return
    const load = ++this.#loads
    const backoff = new Backoff()
    for (let loading = this.#parts.load(); loading !== null; loading = this.#parts.load()) {
      const told = this.#told = new Set()
      try {
        const found = new Map((await loading).map((record) => [this.#parts.idOf(record), record]))
        if (load !== this.#loads) return
        for (const id of new Set([...this.#records.keys(), ...found.keys()])) if (!told.has(id)) this.#set(id, found.get(id) ?? null)
        return this.#change()
      } catch (error) {
        await new Promise((resolve) => { setTimeout(resolve, backoff.next()) })
        // Where the connection is lost as well, the next one loads.
        if (load !== this.#loads) return
        this.#parts.fail(error, `loading the ${this.#parts.name}`)
      }
    }
  }

  /** @internal */
  lost (): void {
    this.#loads++
  }

  /** @internal */
  reset (): void {
    this.#loads++
    this.#records.clear()
    this.#change()
  }

  #want (): void {
    if (this.#isWanted) return
    this.#isWanted = true
    this.#change()
    this.load()
  }

  #set (id: string, record: R | null): void {
    const before = this.#records.get(id)
    if (record === null) this.#records.delete(id)
    else if (before === undefined || this.#parts.isSame?.(before, record) !== true) this.#records.set(id, record)
  }

  #change (): void {
    const { timeOf, show } = this.#parts
    const records = [...this.#records.values()].sort((a, b) => timeOf(a) - timeOf(b))
    const shown = records.map((record) => this.#shown.get(record) ?? show(record))
    this.#shown.clear()
    records.forEach((record, i) => this.#shown.set(record, shown[i]!))
    if (shown.length === this.#list.length && shown.every((item, i) => item === this.#list[i])) return
    this.#list = shown
    this.#events.emit('change', shown)
  }
}
