/** Returns true for objects made by a literal, of any realm, or without a prototype; false for class instances, Maps, Dates and arrays. */
export function isPlain (value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Returns true for an object of fields: no array, Map, Date, function or other class instance. */
export function isPlainObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && isPlain(value)
}
