import { retry } from './backoff.js'
import type { Core } from './core.js'
import { Emitter, type Off } from './emitter.js'
import { restList } from './rest.js'

/** Where the records of a list come from, and how they are shown. */
export interface LiveListParts<R, T> {
  core: Core
  /** Name of its REST route, and of the field that has the records. */
  name: string
  /** Further parameters of that route, such as `&status=pending`. Default none. */
  query?: string
  /** Takes the part that the list keeps from a record of REST. Default: the whole record. */
  pick?: (record: any) => R
  /** Field that identifies a record. */
  id: keyof R
  /** Field that the list is sorted by. */
  time: keyof R
  /** Makes the object that the app sees. */
  show: (record: R) => T
  /** True if a record has nothing new, so that its object stays the same. Default: every record makes a new object. */
  isSame?: (before: R, now: R) => boolean
}

/**
 * A list of records that the server keeps for the user: loaded by REST when it is first used and on every new socket, and updated by frames in
 * between. Each change makes a new array.
 */
export class LiveList<R, T> {
  readonly #parts: LiveListParts<R, T>
  readonly #events: Emitter
  readonly #entries = new Map<string, { record: R, shown: T }>()
  /** Ids in frames that came while the list was being loaded: the frames are newer. */
  #told = new Set<string>()
  #list: readonly T[] = []
  #hasChanged = false
  #isWanted = false
  #loading: AbortController | null = null

  constructor (parts: LiveListParts<R, T>) {
    this.#parts = parts
    this.#events = new Emitter(parts.core.fail, parts.name)
  }

  /** The current list, oldest first. */
  get list (): readonly T[] {
    this.#want()
    return this.#list
  }

  /** Calls the listener with the list at each change. Returns a function that removes it. */
  on (_event: 'change', listener: (list: readonly T[]) => unknown): Off {
    this.#want()
    return this.#events.on('change', listener)
  }

  /** @internal */
  record (id: string): R | undefined {
    return this.#entries.get(id)?.record
  }

  /**
   * Takes a record from a frame.
   *
   * @internal
   * @param record null: it is gone
   */
  tell (id: string, record: R | null): void {
    this.#told.add(id)
    this.#set(id, record)
    this.#change()
  }

  /**
   * Loads the list if it is used: frames may have been missed.
   *
   * @internal
   */
  load (): void {
    const { core, name, query = '', pick = (record) => record, id } = this.#parts
    if (!this.#isWanted || !core.wire.isGreeted) return
    this.interrupted()
    const { signal } = this.#loading = new AbortController()
    retry(async () => {
      const told = this.#told = new Set()
      const found = new Map((await restList<any>(core.base, `/${name}?limit=100${query}`, name, core.wire.token)).map((record) => [pick(record)[id] as string, pick(record)]))
      if (signal.aborted) return
      for (const id of new Set([...this.#entries.keys(), ...found.keys()])) if (!told.has(id)) this.#set(id, found.get(id) ?? null)
      this.#change()
    }, signal, (error) => core.fail(error, `loading the ${name}`))
  }

  /** @internal */
  interrupted (): void {
    this.#loading?.abort()
  }

  /** @internal */
  reset (): void {
    this.interrupted()
    for (const id of this.#entries.keys()) this.#set(id, null)
    this.#change()
  }

  #want (): void {
    if (this.#isWanted) return
    this.#isWanted = true
    this.load()
  }

  #set (id: string, record: R | null): void {
    const { show, isSame } = this.#parts
    const before = this.#entries.get(id)
    if (before ? record && isSame?.(before.record, record) : !record) return
    this.#hasChanged = true
    if (record) this.#entries.set(id, { record, shown: show(record) })
    else this.#entries.delete(id)
  }

  #change (): void {
    if (!this.#hasChanged) return
    this.#hasChanged = false
    const { time } = this.#parts
    this.#list = [...this.#entries.values()].sort((a, b) => (a.record[time] as number) - (b.record[time] as number)).map(({ shown }) => shown)
    this.#events.emit('change', this.#list)
  }
}
