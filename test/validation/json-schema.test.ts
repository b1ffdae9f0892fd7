import { FormatRegistry, Kind, Type, TypeRegistry, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'
import { compileJsonSchema, toJsonSchema } from '../../lib/validation/json-schema.js'
import { SchemaError } from '../../lib/validation/schema-error.js'
import { random } from '../fixtures/random.js'
import { randomSchema, randomValue } from '../fixtures/schemas.js'

/** As another node reads it. */
const stored = (schema: TSchema) => compileJsonSchema(JSON.parse(JSON.stringify(toJsonSchema(schema))))

/** Returns true if TypeBox accepts an object without a field that is required: it does where the field's alternatives include any value. */
function missesFields (schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false
  const { required = [], properties = {} } = schema as { required?: string[], properties?: Record<string, TSchema> }
  return required.some((name) => ['Union', 'Intersect'].includes(properties[name]![Kind]) && acceptsNothing(properties[name]!)) || Object.values(schema).some(missesFields)
}

function acceptsNothing (schema: TSchema): boolean {
  return ['Unknown', 'Not'].includes(schema[Kind]) || [schema.anyOf ?? [], schema.allOf ?? []].flat().some(acceptsNothing)
}

t.test('a schema converted through JSON judges as before, with the same faults', (t) => {
  FormatRegistry.Set('day', (text) => /^\d{4}-\d\d-\d\d$/.test(text))
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const chance = random(seed)
  const module = Type.Module({ Tree: Type.Object({ n: Type.Number(), trees: Type.Array(Type.Ref('Tree')) }) })
  const schemas: TSchema[] = [
    ...Array.from({ length: 150 }, () => randomSchema(chance)).filter((schema) => !missesFields(schema)),
    Type.RegExp(/^a+$/, { maxLength: 3 }), Type.RegExp(/^a+$/g, { maxLength: 3 }), Type.String({ format: 'day' }), Type.Tuple([]), Type.Any(), module.Import('Tree'),
    Type.Enum({ a: 'a', b: 1 }), Type.TemplateLiteral('${string}a', { maxLength: 5 }) // eslint-disable-line no-template-curly-in-string
  ]
  const values = () => chance.pick([randomValue(chance), '2026-11-25', 'a', 'aaaa', { n: 1, trees: [{ n: 1, trees: [] }] }, { n: 1, trees: [{}] }, [], undefined])
  for (const schema of schemas) {
    const [here, there] = [new CompiledSchema(schema), stored(schema)]
    for (let i = 0; i < 15; i++) {
      const value = values()
      const verdicts = [here, there].map((check) => [check.Check(value), check.Check(value) ? [] : check.Errors(value)])
      // A pattern is named without its slashes then.
      const [mine, theirs] = verdicts.map((verdict) => JSON.stringify(verdict).replace(/'\/(.*?)\/g?'/g, "'$1'"))
      if (mine !== theirs) t.equal(theirs, mine, `${JSON.stringify(schema)} on ${JSON.stringify(value)} (SEED=${seed})`)
    }
  }
  t.equal(stored(Type.Never()).Check(1), false)
  t.end()
})

t.test('a schema that JSON Schema cannot express is refused by name', (t) => {
  TypeRegistry.Set('app:other', () => true)
  const bad: Array<[TSchema, RegExp]> = [
    [Type.Date(), /^has a Type.Date, which JSON Schema cannot express/],
    [Type.Object({ list: Type.Array(Type.Union([Type.Undefined(), Type.String()])) }), /has a Type.Undefined/],
    [Type.BigInt(), /Type.BigInt/], [Type.Function([], Type.Any()), /Type.Function/], [Type.Uint8Array(), /Type.Uint8Array/],
    [{ [Kind]: 'app:other' } as unknown as TSchema, /Type.app:other/],
    [Type.RegExp(/^a$/i, { maxLength: 5 }), /has the pattern \/\^a\$\/i, whose flags JSON Schema cannot express/],
    [Type.TemplateLiteral('${string}'), /has a template literal of unbounded length/], // eslint-disable-line no-template-curly-in-string
    [Type.Object({ a: { type: 'object' } as unknown as TSchema }), /^cannot be compiled/]
  ]
  for (const [schema, message] of bad) t.throws(() => toJsonSchema(schema), { constructor: SchemaError, message })
  t.end()
})

t.test('a stored schema that cannot be checked is refused with the reason', (t) => {
  for (const [json, message] of [
    ['text', /^is not a JSON Schema/], [null, /^is not a JSON Schema/], [{ type: 'RegExp', source: 'a' }, /^has the type RegExp, which JSON Schema does not know/],
    [{ type: 'object', properties: { a: 1 } }, /is not a JSON Schema/], [{ type: 'string', pattern: 'a' }, /without a maxLength/], [{ type: 'string', format: 'nobody knows' }, /the format "nobody knows"/],
    [{ type: 'array', items: { minimum: '1', type: 'number' } }, /invalid keyword/], [{ $ref: 'T9' }, /refers to "T9"/], [{ anyOf: 1 }, /^has the invalid keyword anyOf, which must be a list of schemas$/]
  ] as const) t.throws(() => compileJsonSchema(json), { constructor: SchemaError, message })
  t.end()
})

t.test('the latest schemas are compiled once', (t) => {
  const first = compileJsonSchema({ const: 'first', type: 'string' })
  for (let i = 0; i < 99; i++) compileJsonSchema({ const: i, type: 'number' })
  t.equal(compileJsonSchema({ const: 'first', type: 'string' }), first, 'the one that was used last is kept')
  for (let i = 0; i < 99; i++) compileJsonSchema({ const: -1 - i, type: 'number' })
  t.equal(compileJsonSchema({ const: 'first', type: 'string' }), first)
  for (let i = 0; i < 100; i++) compileJsonSchema({ const: 1_000 + i, type: 'number' })
  t.not(compileJsonSchema({ const: 'first', type: 'string' }), first, 'of more than a hundred the oldest is forgotten')
  t.end()
})
