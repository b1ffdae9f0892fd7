import { isPlain } from '../plain-object.js'
import { assertLevel } from '../validation/finite.js'

/**
 * Copies the objects and lists of a schema at any depth, also fields that TypeBox hides, so that later changes of the original change
 * nothing. Values of classes are kept as they are.
 *
 * @param copies copies made so far: a part that appears twice stays one, and a cycle a cycle
 * @throws SchemaError for what is nested too deeply
 */
export function copyOf<T> (value: T, copies = new Map<unknown, unknown>(), level = 0): T {
  if (typeof value !== 'object' || value === null) return value
  const known = copies.get(value)
  if (known !== undefined) return known as T
  const isList = Array.isArray(value)
  if (!isList && !isPlain(value)) return value
  assertLevel(level)
  const copy: object = isList ? [] : Object.create(Object.getPrototypeOf(value))
  copies.set(value, copy)
  for (const key of Reflect.ownKeys(value)) {
    const { enumerable } = Object.getOwnPropertyDescriptor(value, key)!
    const part = copyOf(value[key as keyof typeof value], copies, level + 1)
    Object.defineProperty(copy, key, isList && key === 'length' ? { value: part } : { value: part, enumerable: enumerable!, configurable: true, writable: true })
  }
  return copy as T
}
