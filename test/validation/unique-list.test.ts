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

t.test('unknown fields of the elements of a unique list are removed', async (t) => {
  const check = new CompiledSchema(Type.Array(Type.Object({ a: Type.Number() }), { uniqueItems: true }))
  t.strictSame(check.Clean([{ a: 1, b: 2 }, { a: 2 }]), [{ a: 1 }, { a: 2 }])
})

t.test('nested unique lists take no longer with each level', async (t) => {
  const schema = Type.Recursive((This) => Type.Union([Type.Number(), Type.Array(This, { uniqueItems: true })]))
  const check = new CompiledSchema(schema)
  let value: unknown = Array.from({ length: amount({ short: 10_000, long: 10_000 }) }, (_, n) => n)
  for (let depth = 0; depth < 28; depth++) value = [depth, value]
  const before = process.cpuUsage()
  t.equal(check.Check(value), true)
  const { user } = process.cpuUsage(before)
  t.ok(user < 400_000, `${user / 1000} ms of the processor`)
})
