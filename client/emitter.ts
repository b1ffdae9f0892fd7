/** Removes a listener. Harmless when called twice. */
export type Off = () => void

/** Reports what a listener or a callback of the app has thrown. */
export type Fail = (error: unknown, where: string) => void

type Listener = (...args: any[]) => unknown

/** True if all listeners returned without an error; a promise if one of them is asynchronous; null if there are none. */
export type Handled = boolean | Promise<boolean> | null

/** Listeners by name. One that throws is reported, and the others are called. */
export class Emitter {
  /** Arrays are replaced, never changed, so `emit` need not copy them. Functions are in objects, so that the same one can listen twice. */
  readonly #listeners = new Map<string, readonly { listener: Listener }[]>()
  readonly #fail: Fail
  readonly #where: string

  /** @param where what the events belong to, for reports */
  constructor (fail: Fail, where: string) {
    this.#fail = fail
    this.#where = where
  }

  on (name: string, listener: Listener): Off {
    if (typeof listener !== 'function') throw new TypeError(`the listener of "${name}" is no function`)
    const own = { listener }
    this.#listeners.set(name, [...this.#listeners.get(name) ?? [], own])
    return () => { this.#listeners.set(name, this.#listeners.get(name)!.filter((other) => other !== own)) }
  }

  /** Calls the listeners of a name. Hot: called four times for each message of a stream. */
  emit (name: string, value?: unknown, detail?: unknown): Handled {
    const listeners = this.#listeners.get(name)
    let handled: Handled = null
    if (listeners) for (const { listener } of listeners) handled = both(handled, this.#call(listener, name, value, detail))
    return handled
  }

  #call (listener: Listener, name: string, value: unknown, detail: unknown): Handled {
    try {
      const result = listener(value, detail) as PromiseLike<unknown> | null | undefined
      return typeof result?.then !== 'function' || Promise.resolve(result).then(() => true, (error) => this.#failed(name, error))
    } catch (error) {
      return this.#failed(name, error)
    }
  }

  #failed (name: string, error: unknown): boolean {
    this.#fail(error, `${this.#where} "${name}"`)
    return false
  }
}

/** Combines two results: true if both are. */
export function both (a: Handled, b: Handled): Handled {
  if (a === null) return b
  if (b === null) return a
  if (a instanceof Promise || b instanceof Promise) return Promise.all([a, b]).then(([a, b]) => a && b)
  return a && b
}
