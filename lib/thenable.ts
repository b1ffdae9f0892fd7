/** Whether a value is awaited: not only promises, but a query builder, for instance, as well. Throws what its properties throw. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
