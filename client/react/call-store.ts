import type { WsError } from '../errors.js'

/** State of a component's latest call. `R` is the type of its reply. */
export interface CallState<R> {
  /** True while the latest call has no answer. */
  readonly isPending: boolean
  /** Error of the latest call; null: none, or no answer yet. */
  readonly error: WsError | null
  /** Reply of the latest call that succeeded; undefined: none has. */
  readonly data: R | undefined
}

const IDLE: CallState<never> = Object.freeze({ isPending: false, error: null, data: undefined })

/** The calls of one component. The latest one decides the state. */
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

  /** Follows a call, and returns it. Its rejection is handled: the error is in the state. */
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
