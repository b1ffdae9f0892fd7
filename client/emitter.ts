/** Takes a listener away again. */
export type Off = () => void

/** Reports what a listener or a callback of the app has thrown. */
export type Fail = (error: unknown, where: string) => void

type Listener = (...args: any[]) => unknown

/** Listeners by name. One that throws is reported, and the others are called. */
export class Emitter {
  /** Arrays that never change: whoever calls the listeners of one need not copy it. */
  readonly #listeners = new Map<string, readonly Listener[]>()
  readonly #fail: Fail
  readonly #where: string

  /** @param where what the events belong to, for reports */
  constructor (fail: Fail, where: string) {
    this.#fail = fail
    this.#where = where
  }

  on (name: string, listener: Listener): Off {
    if (typeof listener !== 'function') throw new TypeError(`${this.#where}: the listener of "${name}" is no function`)
    // Wrapped, so that the same function can listen twice.
    const own: Listener = (...args) => listener(...args)
    this.#listeners.set(name, [...this.#listeners.get(name) ?? [], own])
    return () => { this.#listeners.set(name, this.#listeners.get(name)!.filter((other) => other !== own)) }
  }

  /**
   * Calls the listeners of a name. Returns null where there are none; otherwise whether all of them returned without an error: at once,
   * or as a promise if one of them is asynchronous.
   */
  emit (name: string, ...args: unknown[]): boolean | Promise<boolean> | null {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined || listeners.length === 0) return null
    let isHandled = true
    let later: Promise<unknown>[] | null = null
    for (const listener of listeners) {
      try {
        const result = listener(...args)
        if (isThenable(result)) {
          (later ??= []).push(Promise.resolve(result).catch((error: unknown) => {
            isHandled = false
            this.#fail(error, `${this.#where} "${name}"`)
          }))
        }
      } catch (error) {
        isHandled = false
        this.#fail(error, `${this.#where} "${name}"`)
      }
    }
    return later === null ? isHandled : Promise.all(later).then(() => isHandled)
  }
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
