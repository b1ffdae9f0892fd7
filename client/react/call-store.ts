import type { WsError } from '../errors.js'

/** The latest call of a component, as it is at one moment. `R` is what the call resolves to. */
export interface CallState<R> {
  /** True while the latest call is under way. */
  readonly isPending: boolean
  /** Why the latest call failed; null: it did not, or is under way. */
  readonly error: WsError | null
  /** What the latest call that succeeded resolved to; undefined: none has. */
  readonly data: R | undefined
}

const IDLE: CallState<never> = Object.freeze({ isPending: false, error: null, data: undefined })

/** The calls of one component. Of several at a time the latest one counts. */
export class CallStore<R> {
  readonly #subscribers = new Set<() => void>()
  #state: CallState<R> = IDLE
  #latest: Promise<R> | null = null

  readonly state = (): CallState<R> => this.#state

  readonly serverState = (): CallState<R> => IDLE

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#subscribers.add(changed)
    return () => { this.#subscribers.delete(changed) }
  }

  /** Follows a call, and returns it. Its error is in the state, so that nobody needs to catch it. */
  follow (call: Promise<R>): Promise<R> {
    this.#latest = call
    this.#change({ ...this.#state, isPending: true, error: null })
    call.then(
      (data) => { if (call === this.#latest) this.#change({ isPending: false, error: null, data }) },
      (error: WsError) => { if (call === this.#latest) this.#change({ ...this.#state, isPending: false, error }) }
    )
    return call
  }

  #change (state: CallState<R>): void {
    this.#state = Object.freeze(state)
    for (const changed of [...this.#subscribers]) changed()
  }
}
