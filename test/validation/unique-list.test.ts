import { Type } from '@sinclair/typebox'
import t from 'tap'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'
import { amount } from '../fixtures/attacks.js'

const errorsOf = (check: CompiledSchema, value: unknown) => [...check.Errors(value)].map(({ path, message }) => `${path} ${message}`)

t.test('elements that are equal as JSON are not unique, whatever the order of their fields', async (t) => {
  const check = new CompiledSchema(Type.Object({ list: Type.Array(Type.Unknown(), { uniqueItems: true, maxItems: 4 }) }))
  for (const list of [[], [1], [1, '1', true, 'true'], [null, 'null'], [{ a: 1 }, { a: 2 }], [['a', 'b'], ['a,b']], [new Date(1), new Date(2)], ['a"', 'a']]) {
    t.equal(check.Check({ list }), true, JSON.stringify(list))
  }
  for (const list of [[1, 1], ['a', 'b', 'a'], [0, -0], [null, null], [{ a: 1, b: [2] }, { b: [2], a: 1 }], [[1, {}], [1, {}]], [new Date(1), new Date(1)]]) {
    t.equal(check.Check({ list }), false, JSON.stringify(list))
    t.strictSame(errorsOf(check, { list }), ['/list Expected array elements to be unique'])
  }
  t.equal(check.Check({ list: [1, 2, 3, 4, 5] }), false)
  t.strictSame(errorsOf(check, { list: 'no list' }), ['/list Expected array'])
})

t.test('elements that differ only at the end are unique', async (t) => {
  const check = new CompiledSchema(Type.Array(Type.Unknown(), { uniqueItems: true }))
  const long = (end: unknown) => ({ text: 'x'.repeat(500), list: Array.from({ length: 100 }, (_, n) => n), z: { end } })
  t.equal(check.Check([long(1), long(2), long([1]), long([2])]), true)
  t.equal(check.Check([long(1), long(2), long([1]), long(2)]), false)
})

t.test('unknown fields of the elements of a unique list are removed', async (t) => {
  const check = new CompiledSchema(Type.Array(Type.Object({ a: Type.Number() }), { uniqueItems: true }))
  t.strictSame(check.Clean([{ a: 1, b: 2 }, { a: 2 }]), [{ a: 1 }, { a: 2 }])
})

t.test('nested unique lists take no longer with each level', async (t) => {
  const schema = Type.Recursive((This) => Type.Union([Type.Number(), Type.Array(This, { uniqueItems: true })]))
  const check = new CompiledSchema(schema)
  const numbers = Array.from({ length: amount({ short: 10_000, long: 10_000 }) }, (_, n) => n)
  const level: Array<(depth: number) => unknown> = [(depth) => depth, (depth) => [depth], (depth) => [depth, depth + 1]]
  for (const beside of level) {
    let value: unknown = numbers
    for (let depth = 0; depth < 28; depth++) value = [beside(depth), value]
    const before = process.cpuUsage()
    t.equal(check.Check(value), true)
    const { user } = process.cpuUsage(before)
    t.ok(user < 150_000, `${user / 1000} ms of the processor`)
  }
})
