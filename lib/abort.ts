import { setMaxListeners } from 'node:events'
import { Type } from '@sinclair/typebox'
import { isThenable } from './thenable.js'

const Callback = Type.Function([], Type.Unknown())
/** An AbortSignal of the app, of any realm. */
export const Signal = Type.Object({ aborted: Type.Boolean(), addEventListener: Callback, removeEventListener: Callback }, { additionalProperties: true })

type Listener = Parameters<AbortSignal['addEventListener']>[1]

/**
 * Creates an AbortController whose signal goes to the app. Node turns an error thrown by a signal's listener into an uncaught
 * exception, which ends the process; here it goes to `onThrown`. Signals that the app derives from it, for example with
 * `AbortSignal.any()`, are plain Node signals again. The signal accepts any number of listeners without Node's leak warning: each
 * step of a handler may wait on it.
 *
 * @param onThrown called with the error of a listener, or the reason of its rejected promise
 */
export function guardedAbort (onThrown: (thrown: unknown) => void): AbortController {
  const controller = new AbortController()
  reports.set(Object.setPrototypeOf(controller.signal, GuardedSignal.prototype), onThrown)
  setMaxListeners(0, controller.signal)
  return controller
}

/**
 * Calls back once when a signal of the app fires, in the order of registration. All callbacks on one signal share one listener:
 * many questions may wait on the same signal, and its listener limit belongs to the app.
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

/**
 * Settles as a promise does, unless the signal fires first.
 *
 * @throws the signal's reason
 */
export async function unlessAborted<T> (promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  const undo: Array<() => void> = []
  try {
    return await new Promise<T>((resolve, reject) => {
      undo.push(onSettled(promise, () => resolve(promise)))
      undo.push(onAbort(signal, () => reject(signal.reason)))
      // One turn later, so that a promise that has settled goes first.
      if (signal.aborted) queueMicrotask(() => reject(signal.reason))
    })
  } finally {
    for (const end of undo) end()
  }
}

/** The callbacks of each promise that somebody may stop waiting for. A reaction of the promise itself would be kept until it settles. */
const followers = new WeakMap<Promise<unknown>, Set<() => void>>()

/** Calls back when a promise settles. Returns the undo. */
function onSettled (promise: Promise<unknown>, callback: () => void): () => void {
  const callbacks = followers.get(promise) ?? follow(promise)
  callbacks.add(callback)
  return () => callbacks.delete(callback)
}

function follow (promise: Promise<unknown>): Set<() => void> {
  const callbacks = new Set<() => void>()
  followers.set(promise, callbacks)
  const settled = () => {
    followers.delete(promise)
    for (const callback of callbacks) callback()
  }
  promise.then(settled, settled)
  return callbacks
}

/** The shared listener of each signal that has callbacks. */
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
/** Wrapper of each listener: always the same one, so that it is added once and can be removed. */
const wrappers = new WeakMap<object, (event: Event) => void>()
const handlers = new WeakMap<AbortSignal, AbortSignal['onabort']>()

/** Never instantiated: its prototype is inserted between a signal and AbortSignal's own. */
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

/** Returns non-listeners unchanged: AbortSignal itself ignores or refuses them. */
function wrap<L extends Listener | AbortSignal['onabort']> (listener: L): L {
  if ((typeof listener !== 'object' && typeof listener !== 'function') || listener === null) return listener
  let wrapper = wrappers.get(listener)
  if (wrapper === undefined) wrappers.set(listener, wrapper = (event) => call(listener, event))
  return wrapper as L
}

function call (listener: object, event: Event): void {
  // Node 20 clears currentTarget after the first listener.
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
