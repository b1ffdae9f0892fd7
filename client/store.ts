import { Emitter, type Fail, type Off } from './emitter.js'

/** A list that changes as a whole: each change makes a new array, so that two of them can be compared. */
export class ListStore<T> {
  readonly #events: Emitter
  readonly #wanted: () => void
  #list: readonly T[] = Object.freeze([])
  #isWanted = false

  /** @param wanted called when the first listener comes, or the list is first looked at */
  constructor (fail: Fail, where: string, wanted: () => void) {
    this.#events = new Emitter(fail, where)
    this.#wanted = wanted
  }

  /** True once anybody has asked for the list. */
  protected get isWanted (): boolean {
    return this.#isWanted
  }

  /** The list, for its owner. */
  protected get current (): readonly T[] {
    return this.#list
  }

  /** The current list. Frozen. */
  get list (): readonly T[] {
    this.#want()
    return this.#list
  }

  /** Calls the listener with the list at each change. Returns a function that takes it away. */
  on (event: 'change', listener: (list: readonly T[]) => unknown): Off {
    this.#want()
    return this.#events.on(event, listener)
  }

  protected change (list: readonly T[]): void {
    this.#list = Object.freeze(list)
    this.#events.emit('change', this.#list)
  }

  #want (): void {
    if (this.#isWanted) return
    this.#isWanted = true
    this.#wanted()
  }
}
