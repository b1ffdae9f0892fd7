import t from 'tap'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'
import { readSchema } from '../../lib/validation/json-schema.js'

const compiled = (schema: object) => new CompiledSchema(readSchema(schema))
const constants = (count: number) => Array.from({ length: count }, (_, index) => ({ code: `c${index}`, label: `Label ${index}` }))
/** The same constants in each way to write them. */
const writings = (values: readonly unknown[]) => ({ enum: { enum: values }, const: { anyOf: values.map((value) => ({ const: value })) } })

t.test('a value is one of the constants whatever the order of its fields, and none with another, fewer or more', async (t) => {
  const values = [{ a: 1, b: [1, { c: null }] }, { a: 1 }, [1, 2], [], {}, [{ a: 'x' }], 'text', null, 7]
  const good = [...values, { b: [1, { c: null }], a: 1 }]
  const bad = [{ a: 1, b: [1, { c: null, d: 1 }] }, { a: 1, b: [1] }, { a: 1, b: 1 }, { a: 2 }, { a: [1] }, { b: 1 }, { a: 1, c: 1 }, [2, 1], [1], [1, 2, 3], { 0: 1, 1: 2 }, [[]], [{ a: 'y' }], [{ a: 'much longer than any' }], 8, 'other', true, JSON.parse('{"__proto__":1}')]
  for (const [name, schema] of Object.entries(writings(values))) {
    const check = compiled(schema)
    for (const value of good) t.equal(check.Check(value), true, `${name}: ${JSON.stringify(value)}`)
    for (const value of bad) t.equal(check.Check(value), false, `${name}: ${JSON.stringify(value)}`)
  }
  for (const value of values.slice(0, 6)) {
    const check = compiled({ const: value })
    t.strictSame(values.filter((other) => check.Check(other)), [value])
  }
  t.strictSame(compiled({ enum: values.slice(0, 2) }).Errors({ b: 1 }), [{ path: '', message: 'Expected one of the constants of the schema' }])
  t.strictSame(compiled({ const: { a: 1 } }).Errors({ b: 1 }), [{ path: '', message: 'Expected the constant of the schema' }])
})

t.test('a constant is what JSON makes of it, as in the documents of the schema', async (t) => {
  const check = compiled({ enum: [new Date(0), { a: new Date(0), b: undefined }, { a: -0 }] })
  for (const value of ['1970-01-01T00:00:00.000Z', { a: '1970-01-01T00:00:00.000Z' }, { a: 0 }]) t.equal(check.Check(value), true, JSON.stringify(value))
  t.equal(check.Check({}), false)
})

t.test('a large value costs no more the more constants there are', async (t) => {
  const large = [{ code: Array.from({ length: 28_000 }, () => 1) }, Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`k${index}`, 1])), { code: 'c'.repeat(60_000) }, Array.from({ length: 30_000 }, () => 1)]
  for (const [name, schema] of Object.entries(writings(constants(200)))) {
    const check = compiled(schema)
    const list = compiled({ type: 'array', items: schema })
    for (const value of [...large, Array.from({ length: 1_600 }, () => constants(200).at(-1))]) {
      const before = process.cpuUsage()
      t.equal(check.Check(value), false)
      t.ok(check.Errors(value).length > 0)
      list.Check(value)
      const { user } = process.cpuUsage(before)
      t.ok(user < 150_000, `${name}: ${user / 1_000} ms of the processor`)
    }
  }
})
