import { FormatRegistry, Kind, Type, TypeRegistry, type TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { ValueErrorType } from '@sinclair/typebox/errors'
import { RE2JS } from 're2js'
import t from 'tap'
import { CompiledSchema, MOST_FAULTS } from '../../lib/validation/compiled-schema.js'
import { unionMessage } from '../../lib/validation/reason.js'
import { SchemaError } from '../../lib/validation/schema-error.js'
import { randomSchema, randomValue } from '../fixtures/schemas.js'
import { random } from '../fixtures/random.js'

function mayBeUndefined (schema: TSchema): boolean {
  if (schema[Kind] === 'Union') return (schema.anyOf as TSchema[]).some(mayBeUndefined)
  if (schema[Kind] === 'Intersect') return (schema.allOf as TSchema[]).every(mayBeUndefined)
  return ['Unknown', 'Not'].includes(schema[Kind])
}

const faults = (schema: TSchema, value: unknown) => [...new CompiledSchema(schema).Errors(value)]

t.test('values are judged as by TypeBox, with the same faults', (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const chance = random(seed)
  const verdicts = { true: 0, false: 0 }
  for (let i = 0; i < 250; i++) {
    const schema = randomSchema(chance)
    const [ours, theirs] = [new CompiledSchema(schema), TypeCompiler.Compile(schema)]
    for (let j = 0; j < 20; j++) {
      const value = randomValue(chance)
      const text = `${JSON.stringify(schema)} on ${JSON.stringify(value)} (SEED=${seed})`
      const verdict = theirs.Check(value)
      verdicts[`${verdict}`]++
      if (ours.Check(value) !== verdict) t.fail(text)
      const all = [...theirs.Errors(value)].slice(0, MOST_FAULTS)
      // It misses a property that may be undefined, although its check does not.
      const unfounded = new Set(all.filter(({ type, schema }) => type === ValueErrorType.ObjectRequiredProperty && mayBeUndefined(schema)).map(({ path }) => path))
      const errors = all.map(({ path, message, type, schema }) => ({ path, message: unionMessage(type, schema) ?? message })).filter(({ path }) => !unfounded.has(path))
      // It goes on behind a wrong length.
      const told = errors.filter(({ path, message }) => !message.includes('to match \'') || !errors.some((other) => other.path === path && other.message.includes('length')))
      const given = ours.Errors(value)
      const faults = given.filter(({ path }) => !unfounded.has(path))
      // Of the keys that a record does not take, TypeBox tells the first alone.
      if (!verdict && given.length < MOST_FAULTS && !told.every((fault) => faults.some(({ path, message }) => path === fault.path && message === fault.message))) t.same(faults, told, text)
      if (!verdict && (given.length === 0 || faults[0]?.path !== told[0]?.path)) t.same(faults, told, `${text}: the first`)
    }
  }
  t.ok(verdicts.true > 200 && verdicts.false > 200, JSON.stringify(verdicts))
  t.end()
})

t.test('a text over its maxLength is checked by neither pattern nor format, and its only fault is its length', (t) => {
  const seen: string[] = []
  FormatRegistry.Set('seen', (text) => seen.push(text) > 0)
  const { test } = RE2JS.prototype
  RE2JS.prototype.test = function (text) {
    seen.push(String(text))
    return test.call(this, text)
  }
  t.teardown(() => { RE2JS.prototype.test = test })
  const limits = { maxLength: 20 }
  const parts: TSchema[] = [
    Type.String({ pattern: '^([a-z]+ ?)+$', ...limits }), Type.String({ format: 'seen', ...limits }), Type.String({ format: 'seen', pattern: '^a', ...limits }),
    Type.RegExp(/^([A-Z]+ ?)+$/i, limits), Type.TemplateLiteral('a${string}', limits) // eslint-disable-line no-template-curly-in-string
  ]
  const text = 'a'.repeat(60) + '!'
  const wholes = (part: TSchema): TSchema[] => [part, Type.Array(part), Type.Object({ part }), Type.Union([Type.Null(), part]), Type.Not(part), Type.Record(Type.String(), part),
    Type.Tuple([part]), Type.Intersect([part, Type.String()]), Type.Object({}, { additionalProperties: part }), Type.Array(Type.Any(), { contains: part }), Type.Constructor([], part)]
  const values = (text: string) => [text, [text], { part: text }, { other: text }, { prototype: text }]
  for (const schema of parts.flatMap(wholes)) {
    const check = new CompiledSchema(schema)
    for (const value of values(text)) {
      check.Check(value)
      check.Errors(value)
    }
  }
  t.same(seen, [])
  for (const part of parts) {
    t.same(faults(part, text), [{ path: '', message: 'Expected string length less or equal to 20' }])
    t.same(faults(Type.Object({ part }), { part: text }), [{ path: '/part', message: 'Expected string length less or equal to 20' }])
    new CompiledSchema(part).Check('abc')
  }
  t.equal(seen.length, parts.length + 1, 'one that is short enough meets them')
  t.end()
})

t.test('the fault of a text names the pattern or format', (t) => {
  FormatRegistry.Set('never', () => false)
  t.same(faults(Type.String({ pattern: '^a$', maxLength: 9 }), 'b'), [{ path: '', message: "Expected string to match '^a$'" }])
  t.same(faults(Type.RegExp(/^a$/i, { maxLength: 9 }), 'b'), [{ path: '', message: "Expected string to match '/^a$/i'" }])
  t.same(faults(Type.String({ format: 'never' }), 'b'), [{ path: '', message: "Expected string to match 'never' format" }])
  t.same(faults(Type.RegExp(/^a$/i, { minLength: 2, maxLength: 9 }), 'a'), [{ path: '', message: 'Expected string length greater or equal to 2' }])
  t.same(faults(Type.RegExp(/^a$/i, { maxLength: 9 }), 1), [{ path: '', message: 'Expected string' }])
  const check = new CompiledSchema(Type.String({ format: 'never' }))
  FormatRegistry.Delete('never')
  t.equal(check.Check('b'), false, 'a format that is gone matches nothing')
  t.end()
})

t.test('flags of a pattern apply', (t) => {
  const check = new CompiledSchema(Type.RegExp(/^straße$/iu, { maxLength: 20 }))
  for (const [text, verdict] of [['STRAßE', true], ['straẞe', true], ['strasse', false]] as const) t.equal(check.Check(text), verdict, text)
  const global = new CompiledSchema(Type.RegExp(/a/g, { maxLength: 20 }))
  t.same([global.Check('a'), global.Check('a'), global.Check('a')], [true, true, true], 'one check knows nothing of the one before')
  t.end()
})

t.test('keys of records have patterns, too, and are limited in length', (t) => {
  const check = new CompiledSchema(Type.Record(Type.String({ pattern: '^([a-z]+ ?)+$' }), Type.Number(), { additionalProperties: false, minProperties: 1, maxProperties: 2 }))
  t.equal(check.Check({ anna: 1, 'b c': 2 }), true)
  t.same(check.Errors({ 'a/b~': 1 }), [{ path: '/a~1b~0', message: 'Unexpected property' }])
  t.same(check.Errors({ a: 'x' }), [{ path: '/a', message: 'Expected number' }])
  t.same(check.Errors({ ['a'.repeat(257)]: 1 }), [{ path: `/${'a'.repeat(257)}`, message: 'Unexpected property' }])
  t.same(check.Errors({}), [{ path: '', message: 'Expected object to have at least 1 properties' }])
  t.same(check.Errors({ a: 1, b: 1, c: 1 }), [{ path: '', message: 'Expected object to have no more than 2 properties' }])
  t.same(check.Errors([]), [{ path: '', message: 'Expected object' }])
  const others = new CompiledSchema(Type.Record(Type.String({ pattern: '^a' }), Type.Number(), { additionalProperties: Type.String({ pattern: '^b', maxLength: 3 }) }))
  t.equal(others.Check({ a: 1, x: 'b' }), true)
  t.same(others.Errors({ a: 1, x: 'c' }), [{ path: '/x', message: "Expected string to match '^b'" }])
  t.equal(new CompiledSchema(Type.Record(Type.String(), Type.Number())).Check({ 'a\nb': 'x' }), false, 'any key is any key')
  t.end()
})

t.test('an unsafe schema is refused by name', (t) => {
  class Cannot { }
  TypeRegistry.Set('app:own', (_schema, value) => value === 1)
  const own = { [Kind]: 'app:own', holds: new Cannot() } as unknown as TSchema
  t.equal(new CompiledSchema(Type.Object({ own })).Check({ own: 1 }), true, 'a kind of the app is the app\'s')
  const bad: Array<[TSchema, RegExp]> = [
    [{ type: 'object' } as unknown as TSchema, /^cannot be compiled: it is not a TypeBox schema/],
    [Type.String({ maxLength: '20' as unknown as number }), /invalid keyword/],
    [Type.Object({ a: Type.Ref('nowhere') }), /^cannot be compiled: it refers to "nowhere", which it does not define/],
    [Type.Unsafe({ [Kind]: 'Computed', target: 'x', parameters: [] }), /^cannot be compiled: Unknown type/],
    [Type.String({ pattern: 'a' }), /^has the pattern a without a maxLength of at most 1000/],
    [Type.Intersect([Type.Record(Type.String({ pattern: '^a' }), Type.Any()), Type.Object({})], { unevaluatedProperties: false }), /^has unevaluatedProperties beside keys by pattern/],
    [Type.Module({ A: Type.Object({ a: Type.Any() }), B: Type.Intersect([Type.Ref('A'), Type.Object({})], { unevaluatedProperties: false }) }).Import('B'), /^has unevaluatedProperties beside a reference: write the object in its place/],
    [Type.TemplateLiteral('${string}@'), /^has a template literal of unbounded length/] // eslint-disable-line no-template-curly-in-string
  ]
  for (const [schema, message] of bad) t.throws(() => new CompiledSchema(schema), { constructor: SchemaError, message })
  const known = new CompiledSchema(Type.Intersect([Type.Object({ a: Type.Number() }), Type.Object({ b: Type.String({ pattern: '^b', maxLength: 3 }) })], { unevaluatedProperties: false }))
  t.equal(known.Check({ a: 1, b: 'b' }), true)
  t.equal(known.Check({ a: 1, b: 'b', c: 1 }), false)
  const member = Type.Union([Type.Object({ '(a+)+': Type.Any(), b: Type.Any() }), Type.Object({ '(a+)+': Type.Any(), c: Type.Any() })])
  const named = new CompiledSchema(Type.Intersect([member, Type.Object({ d: Type.Any() }), Type.Intersect([Type.Object({ e: Type.Any() }), Type.Unknown()])], { unevaluatedProperties: false }))
  const valid = { '(a+)+': 1, b: 1, d: 1, e: 1 }
  t.equal(named.Check(valid), false, 'only one alternative names b')
  t.strictSame(named.Errors(valid), [{ path: '/b', message: 'Unexpected property' }])
  t.equal(new CompiledSchema(Type.Intersect([Type.Object({ '(a+)+': Type.Any() }), Type.Object({})], { unevaluatedProperties: false })).Check({ '(a+)+': 1 }), true, 'a name is no pattern')
  t.equal(new CompiledSchema(Type.Intersect([Type.Object({ a: Type.Any() }), Type.Object({})], { unevaluatedProperties: true })).Check({ a: 1, b: 1 }), true)
  t.end()
})

t.test('a fault of a union lists the accepted values', (t) => {
  const node = Type.Recursive((self) => Type.Object({ next: Type.Union([self, Type.Null()]) }))
  const cases: Array<[schema: TSchema, value: unknown, message: string]> = [
    [Type.Union([Type.String({ pattern: '^a$', maxLength: 9 }), Type.Null()]), 5, 'Expected string or null'],
    [Type.Union([Type.Literal('a'), Type.Literal(2), Type.Union([Type.Literal('a'), Type.Array(Type.String(), { uniqueItems: true })])]), 5, 'Expected one of "a", 2, array'],
    [node, { next: 5 }, 'Expected another kind of value or null']
  ]
  for (const [schema, value, message] of cases) t.match(faults(schema, value), [{ message }], message)
  t.end()
})

t.test('schemas of other fields within each other are judged each by its own fields', (t) => {
  const others = (fields: TSchema) => Type.Object({ a: Type.Optional(Type.Number()) }, { additionalProperties: fields })
  const within = Type.Intersect([Type.Object({ a: Type.Optional(Type.Number()) }), Type.Object({ b: Type.Optional(Type.Null()) })], { unevaluatedProperties: others(others(Type.String())) })
  for (const schema of [others(others(others(Type.String()))), within]) {
    const check = new CompiledSchema(schema)
    t.ok(check.Check({ x: { y: { a: 1, z: 'text' } } }))
    for (const value of [{ x: { y: { a: 'text' } } }, { x: { a: 'text' } }, { x: { y: 1 } }, { x: { y: { z: 1 } } }]) t.notOk(check.Check(value), JSON.stringify(value))
    t.equal(check.Errors({ x: { y: { z: 1 } } })[0]!.path, '/x/y/z')
  }
  t.end()
})
