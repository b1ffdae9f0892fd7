import { Kind, Type } from '@sinclair/typebox'
import { Type as Type1 } from 'typebox'
import t from 'tap'
import { copyOf } from '../../lib/contract/copy.js'

t.test('a copy has all fields of the original, also hidden ones, and shares no object with it', (t) => {
  const original = Type.Object({ text: Type.String({ enum: ['a', 'b'] }) })
  const copy = copyOf(original)
  t.strictSame(copy, original)
  t.equal(copy[Kind], 'Object')
  t.equal(copy.properties.text[Kind], 'String')
  t.not(copy.properties, original.properties)
  t.not(copy.properties.text.enum, original.properties.text.enum)
  const hidden = copyOf(Type1.Object({ text: Type1.String() })) as unknown as { '~kind': string }
  t.equal(hidden['~kind'], 'Object')
  t.notOk(Object.keys(hidden).includes('~kind'))
  t.end()
})

t.test('frozen and odd values can be copied', (t) => {
  const copy = copyOf(Object.freeze({ list: Object.freeze([1, 2]) })) as { list: readonly number[], more?: number }
  copy.more = 1
  t.strictSame(copy, { list: [1, 2], more: 1 })
  const plain = { a: 1, b: { c: 2 } }
  t.strictSame(Object.getOwnPropertyDescriptors(copyOf(plain)), Object.getOwnPropertyDescriptors(plain))
  t.strictSame(Object.keys(copyOf(JSON.parse('{"__proto__": {"a": 1}}'))), ['__proto__'])
  t.equal(Object.getPrototypeOf(copyOf(Object.create(null))), null)
  const kept = { at: new Date(0), pattern: /a/, none: null }
  t.strictSame(Object.values(copyOf(kept)), Object.values(kept))
  t.equal(copyOf(kept).pattern, kept.pattern)
  t.end()
})

t.test('what appears twice is copied once, so that a cycle ends', (t) => {
  const shared = { type: 'string' }
  const cycle = { first: shared, second: shared, self: null as unknown }
  cycle.self = cycle
  const copy = copyOf(cycle)
  t.equal(copy.first, copy.second)
  t.not(copy.first, shared)
  t.equal(copy.self, copy)
  t.end()
})
