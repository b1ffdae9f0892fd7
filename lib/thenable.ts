/**
 * Returns true for values with a `then`, which `await` waits for: promises, but also query builders, for example. Throws if a
 * property getter does.
 */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
