import { setMaxListeners } from 'node:events'
import { isThenable } from './thenable.js'

type Listener = Parameters<AbortSignal['addEventListener']>[1]

/**
 * An AbortController whose signal goes to the app. Node reports what a listener of a signal throws as an uncaught exception,
 * which ends the process; here it goes to `onThrown`. A signal that the app derives from it, by `AbortSignal.any()` for
 * instance, is one of Node's own again. It takes any number of listeners: each step of a handler may well wait on it, and by default
 * Node warns of a leak at the eleventh.
 *
 * @param onThrown called with what a listener throws, or its promise rejects with
 */
export function guardedAbort (onThrown: (thrown: unknown) => void): AbortController {
  const controller = new AbortController()
  reports.set(Object.setPrototypeOf(controller.signal, GuardedSignal.prototype), onThrown)
  setMaxListeners(0, controller.signal)
  return controller
}

/**
 * Calls back once when a signal of the app fires, in the order of the calls. All callbacks on one signal share one listener: many
 * questions may wait on the same signal, whose limit of listeners is the app's.
 *
 * @param callback must not throw
 * @returns the undo; calling it twice is harmless
 */
export function onAbort (signal: AbortSignal, callback: () => void): () => void {
  const listener = shared.get(signal) ?? share(signal)
  listener.callbacks.add(callback)
  return () => {
    listener.callbacks.delete(callback)
    if (listener.callbacks.size > 0) return
    signal.removeEventListener('abort', listener)
    if (shared.get(signal) === listener) shared.delete(signal)
  }
}

/** The listener on a signal while there are callbacks. */
const shared = new WeakMap<AbortSignal, SharedListener>()

class SharedListener {
  readonly callbacks = new Set<() => void>()

  handleEvent (): void {
    for (const callback of this.callbacks) callback()
  }
}

function share (signal: AbortSignal): SharedListener {
  const listener = new SharedListener()
  signal.addEventListener('abort', listener, { once: true })
  shared.set(signal, listener)
  return listener
}

const reports = new WeakMap<AbortSignal, (thrown: unknown) => void>()
/** The wrapper of each listener: the same every time, so that it is added once and can be removed. */
const wrappers = new WeakMap<object, (event: Event) => void>()
const handlers = new WeakMap<AbortSignal, AbortSignal['onabort']>()

/** Only its methods are used: they are put between a signal and AbortSignal's own. */
class GuardedSignal extends AbortSignal {
  override addEventListener (type: 'abort', listener: Listener, options?: Parameters<AbortSignal['addEventListener']>[2]): void {
    super.addEventListener(type, wrap(listener), options)
  }

  override removeEventListener (type: 'abort', listener: Listener, options?: Parameters<AbortSignal['removeEventListener']>[2]): void {
    super.removeEventListener(type, wrap(listener), options)
  }

  override get onabort (): AbortSignal['onabort'] {
    return handlers.get(this) ?? null
  }

  override set onabort (listener: AbortSignal['onabort']) {
    handlers.set(this, listener)
    super.onabort = wrap(listener)
  }
}

/** Returns anything that is not a listener unchanged: AbortSignal itself ignores or refuses it. */
function wrap<L extends Listener | AbortSignal['onabort']> (listener: L): L {
  if ((typeof listener !== 'object' && typeof listener !== 'function') || listener === null) return listener
  let wrapper = wrappers.get(listener)
  if (wrapper === undefined) wrappers.set(listener, wrapper = (event) => call(listener, event))
  return wrapper as L
}

function call (listener: object, event: Event): void {
  // Node 20 forgets the currentTarget after the first listener.
  const signal = event.target as AbortSignal
  const report = reports.get(signal)!
  try {
    const result: unknown = typeof listener === 'function'
      ? listener.call(signal, event)
      : (listener as { handleEvent: (event: Event) => unknown }).handleEvent(event)
    if (isThenable(result)) Promise.resolve(result).catch(report)
  } catch (thrown) {
    report(thrown)
  }
}
