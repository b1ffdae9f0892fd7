import { Kind, Type, TypeRegistry, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'

const last = (kind: string) => ({ kind: Type.Literal(kind) })

/** Without the type of the schema, which has no end. */
const recursive = Type.Recursive as unknown as (make: (This: TSchema) => TSchema) => TSchema

const modules = Type.Module as unknown as (schemas: Record<string, TSchema>) => { Import: (name: string) => TSchema }

/** Each looks into the same field in several ways, so that without care every level doubles the work. */
const B: TSchema = Type.Ref('B')
const A: TSchema = Type.Ref('A')
const schemas: Record<string, TSchema> = {
  'a union whose discriminator comes last': recursive((This) => Type.Union(['a', 'b', 'c'].map((kind) => Type.Object({ child: Type.Union([This, Type.Null()]), ...last(kind) })))),
  'a union without a discriminator': recursive((This) => Type.Union(['a', 'b', 'c'].map((name) => Type.Object({ child: Type.Union([This, Type.Null()]), [name]: Type.Number() })))),
  'unions within unions': recursive((This) => Type.Union([Type.Union([Type.Object({ child: This, ...last('a') }), Type.Null()]), Type.Union([Type.Object({ child: This, ...last('b') }), Type.Object({ child: This, ...last('c') })])])),
  'an intersection': recursive((This) => Type.Union([Type.Null(), Type.Intersect([Type.Object({ child: This }), Type.Object({ child: This })])])),
  'lists in a union': recursive((This) => Type.Union([Type.Object({ child: Type.Union([Type.Array(This), This, Type.Null()]), ...last('a') }), Type.Object({ child: This, ...last('b') }), Type.Null()])),
  'what must not be': recursive((This) => Type.Union([Type.Null(), Type.Intersect([Type.Object({ child: Type.Not(Type.Not(This)) }), Type.Object({ child: This })])])),
  records: recursive((This) => Type.Union([Type.Record(Type.Literal('child'), This), Type.Record(Type.String({ pattern: '^child$' }), This), Type.Null()])),
  'definitions of a module': modules({
    A: Type.Union([Type.Object({ child: B, ...last('a') }), Type.Object({ child: A, ...last('b') }), Type.Null()]),
    B: Type.Union([Type.Object({ child: A, ...last('a') }), Type.Object({ child: B, ...last('c') }), Type.Null()])
  }).Import('A')
}

function nested (depth: number, kind: string, end: unknown): unknown {
  return depth === 0 ? end : { child: nested(depth - 1, kind, end), kind, a: 1 }
}

/** The processor's time of the fastest of some runs, milliseconds. */
function cpuMs (run: () => void): number {
  const times = Array.from({ length: 3 }, () => {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  })
  return Math.min(...times)
}

t.test('checking a recursive schema does not take twice as long for each level', (t) => {
  for (const [name, schema] of Object.entries(schemas)) {
    const check = new CompiledSchema(schema)
    for (const kind of ['a', 'b', 'c', 'd']) {
      for (const end of [null, 'wrong']) {
        const value = nested(30, kind, end)
        const spent = cpuMs(() => {
          if (check.Check(value)) check.Clean(value)
          else t.ok(check.Errors(value).length <= 10)
        })
        t.ok(spent < 100, `${name}, ${kind}, ${end}: ${spent} ms`)
      }
    }
  }
  t.end()
})

t.test('faults in a recursive schema have their full path', (t) => {
  const check = new CompiledSchema(recursive((This) => Type.Object({ n: Type.Number(), next: Type.Optional(This) })))
  t.same(check.Errors({ n: 1, next: { n: 1, next: { n: 'x' } } }), [{ path: '/next/next/n', message: 'Expected number' }])
  t.equal(check.Check({ n: 1, next: { n: 1 } }), true)
  t.end()
})

t.test('a value may change between two checks', (t) => {
  const check = new CompiledSchema(recursive((This) => Type.Object({ n: Type.Number(), next: Type.Optional(This) })))
  const value = { n: 1, next: { n: 1 as unknown } }
  t.equal(check.Check(value), true)
  value.next.n = 'x'
  t.equal(check.Check(value), false)
  t.equal(check.Errors(value).length, 1)
  t.equal(check.Errors(value).length, 1, 'and faults are told each time')
  t.end()
})

t.test('nested definitions of the same name stay separate', (t) => {
  const inner = Type.Object({ n: Type.Number(), next: Type.Optional(Type.Ref('T')) }, { $id: 'T' })
  const outer = Type.Object({ s: Type.String(), inner, again: Type.Optional(Type.Ref('T')) }, { $id: 'T' })
  const check = new CompiledSchema(outer)
  t.equal(check.Check({ s: '', inner: { n: 1, next: { n: 1 } }, again: { s: '', inner: { n: 1 } } }), true)
  t.equal(check.Check({ s: '', inner: { n: 1, next: { s: '', inner: { n: 1 } } } }), false)
  t.end()
})

t.test('a value that is not an object is reported each time a definition requires one', async (t) => {
  const check = new CompiledSchema(recursive((This) => Type.Object({ left: Type.Optional(This), right: Type.Optional(This) })))
  t.strictSame(check.Errors({ left: 1, right: 1 }).map(({ path }) => path), ['/left', '/right'])
  const shared = { left: 1 }
  t.strictSame(check.Errors({ left: shared, right: shared }).map(({ path }) => path), ['/left/left'])
  t.strictSame(check.Errors({ left: null }).map(({ path }) => path), ['/left'])
})

t.test('an error of a kind of the app, or of cleaning too deep a value, passes through', async (t) => {
  TypeRegistry.Set('app:throwing', () => { throw new RangeError('not now') })
  const throwing = { [Kind]: 'app:throwing' } as unknown as TSchema
  t.throws(() => new CompiledSchema(recursive((This) => Type.Object({ next: Type.Optional(This), own: throwing }))).Check({}), { message: 'not now' })
  const check = new CompiledSchema(recursive((This) => Type.Object({ next: Type.Optional(This) })))
  let deep: object = {}
  for (let level = 0; level < 50_000; level++) deep = { next: deep }
  t.equal(check.Check(deep), false)
  t.strictSame(check.Errors(deep), [{ path: '', message: 'It is nested too deeply to be checked' }])
  t.throws(() => check.Clean(deep), RangeError)
})
