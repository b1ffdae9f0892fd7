import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { z } from 'zod'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'
import { compileJsonSchema, readSchema, toJsonSchema } from '../../lib/validation/json-schema.js'
import { SchemaError } from '../../lib/validation/schema-error.js'
import { randomJson, randomJsonSchema } from '../fixtures/json-schemas.js'
import { random } from '../fixtures/random.js'

const options = { strict: false, allErrors: false, validateFormats: false }
const drafts = { 7: new Ajv(options), 2020: new Ajv2020(options) }
/** Ajv throws for some of them, where fields are evaluated by several branches. */
function verdictOf (check: (value: unknown) => unknown, value: unknown, otherwise: boolean): unknown {
  try {
    return check(value)
  } catch {
    return otherwise
  }
}
const compiled = (schema: unknown) => new CompiledSchema(readSchema(schema))

t.test('a JSON Schema judges as Ajv and TypeBox 1.x do', (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const rounds = Number(process.env.ROUNDS ?? 150)
  const chance = random(seed)
  const counts = { true: 0, false: 0, endless: 0 }
  for (let i = 0; i < rounds; i++) {
    const draft = chance.pick([7, 2020] as const)
    const schema = randomJsonSchema(chance, draft)
    let ours
    try {
      ours = compiled(schema)
    } catch (error) {
      if (!(error instanceof SchemaError) || !error.message.includes('without end')) t.fail(`${JSON.stringify(schema)}: ${String(error)} (SEED=${seed})`)
      counts.endless++
      continue
    }
    const theirs = drafts[draft].compile(schema as object)
    for (let j = 0; j < 12; j++) {
      const value = randomJson(chance)
      const about = `${JSON.stringify(schema)} on ${JSON.stringify(value)} (draft ${draft}, SEED=${seed})`
      const verdict = ours.Check(value)
      counts[`${verdict}`]++
      if (verdict !== verdictOf(theirs, value, verdict)) t.fail(`Ajv: ${about}`)
      if (verdict !== Check(schema as object, value)) t.fail(`TypeBox 1.x: ${about}`)
      if (!verdict && ours.Errors(value).length === 0) t.fail(`no fault: ${about}`)
    }
    drafts[draft].removeSchema(schema as object)
  }
  t.ok(counts.true > rounds && counts.false > rounds, JSON.stringify(counts))
  t.end()
})

/** Names of the fields that a schema, and those that it applies to the same value by Ajv's verdict, name. */
function namesIn (schema: Applied | boolean, value: object): string[] {
  if (typeof schema === 'boolean') return []
  const { properties = {}, patternProperties = {}, required = [], additionalProperties, allOf = [], anyOf = [], oneOf = [] } = schema
  const applies = (part: Applied | boolean) => drafts[2020].validate(part, value)
  const branch = schema.if === undefined ? [] : applies(schema.if) ? [schema.if, schema.then ?? true] : [schema.else ?? true]
  const applied = [...allOf, ...[...anyOf, ...oneOf].filter(applies), ...branch]
  return [
    ...Object.keys(properties), ...required,
    ...Object.keys(value).filter((key) => additionalProperties !== undefined || Object.keys(patternProperties).some((keys) => new RegExp(keys, 'u').test(key))),
    ...applied.flatMap((part) => namesIn(part, value))
  ]
}

interface Applied {
  properties?: object
  patternProperties?: object
  required?: string[]
  additionalProperties?: unknown
  if?: Applied | boolean
  then?: Applied | boolean
  else?: Applied | boolean
  allOf?: Array<Applied | boolean>
  anyOf?: Array<Applied | boolean>
  oneOf?: Array<Applied | boolean>
}

t.test('cleaning keeps every field that some schema names which applies by Ajv\'s verdict', (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const chance = random(seed)
  let kept = 0
  for (let i = 0; i < 60; i++) {
    const schema = randomJsonSchema(chance, 2020) as Applied | boolean
    // A reference means something else where a part of the schema is asked alone.
    if (typeof schema === 'boolean' || JSON.stringify(schema).includes('$ref')) continue
    const ours = compiled(schema)
    for (let j = 0; j < 12; j++) {
      const value = randomJson(chance)
      if (typeof value !== 'object' || value === null || Array.isArray(value) || !ours.Check(value)) continue
      const cleaned = ours.Clean(value) as object
      const lost = Object.keys(value).filter((key) => !Object.hasOwn(cleaned, key) && namesIn(schema, value).includes(key))
      if (lost.length > 0) t.fail(`${lost.join()} of ${JSON.stringify(value)} by ${JSON.stringify(schema)} (SEED=${seed})`)
      kept += Object.keys(cleaned).length
    }
  }
  t.ok(kept > 5, `${kept} fields`)
  t.end()
})

t.test('each keyword that restricts values and cannot be checked is refused by name, with its place', (t) => {
  class Model {}
  const recursive = { $ref: '#/$defs/A', $defs: { A: { anyOf: [{ type: 'string' }, { $ref: '#/$defs/B' }] }, B: { allOf: [{ $ref: '#/$defs/A' }] } } }
  const at = (part: unknown) => ({ type: 'object', properties: { 'a/b': { type: 'array', items: part } } })
  const place = ' (at /properties/a~1b/items)'
  const bad: Array<[schema: unknown, says: string]> = [
    [undefined, 'is missing: pass a schema of TypeBox, or a JSON Schema'],
    [null, 'is not a JSON Schema: it is null'],
    ['text', 'is not a JSON Schema: it is a string'],
    [[], 'is not a JSON Schema: it is a list'],
    [Model, 'is not a JSON Schema: it is the class Model'],
    [() => {}, 'is not a JSON Schema: it is a function'],
    [new Model(), 'is not a JSON Schema: it is an instance of Model'],
    [z.object({}), 'is a Zod schema: convert it with z.toJSONSchema()'],
    [{ kind: 'schema', type: 'string', '~standard': { version: 1, vendor: 'valibot', validate: () => ({}) } }, 'is a schema of valibot: convert it to JSON Schema'],
    [{ type: 'objekt' }, 'has the type objekt, which JSON Schema does not know: did you mean "object"?'],
    [{ type: ['string', 'Date'] }, 'has the type Date, which JSON Schema does not know'],
    [{ properties: {} }, 'has properties without a type: add "type": "object"'],
    [{ minimum: 1 }, 'has minimum without a type: add "type": "number"'],
    [{ type: 'number', minimum: true }, 'has the invalid keyword minimum, which must be a number'],
    [{ type: 'string', maxLength: -1 }, 'has the invalid keyword maxLength, which must be a whole number, 0 or more'],
    [{ type: 'number', multipleOf: 0 }, 'has the invalid keyword multipleOf, which must be a number above 0'],
    [{ type: 'object', required: 'a' }, 'has the invalid keyword required, which must be a list of names'],
    [{ type: 'object', properties: [] }, 'has the invalid keyword properties, which must be an object of schemas'],
    [{ type: 'array', uniqueItems: 1 }, 'has the invalid keyword uniqueItems, which must be true or false'],
    [{ enum: [] }, 'has the invalid keyword enum, which must be a list of values'],
    [{ anyOf: [] }, 'has the invalid keyword anyOf, which must be a list of schemas'],
    [{ type: 'string', format: 1 }, 'has the invalid keyword format, which must be a text'],
    [{ type: 'string', pattern: 1 }, 'has the invalid keyword pattern, which must be a text'],
    [{ const: 1n }, 'has the value 1, which JSON cannot express'],
    [{ $ref: 'https://example.org/other.json' }, 'cannot be compiled: it refers to "https://example.org/other.json", which it does not define'],
    [{ $ref: '#/$defs/none/deeper' }, 'cannot be compiled: it refers to "#/$defs/none/deeper", which it does not define'],
    [{ $ref: '#anchor' }, 'cannot be compiled: it refers to "#anchor", which it does not define'],
    [{ type: 'object', unevaluatedProperties: false, anyOf: [{}] }, 'has the keyword unevaluatedProperties beside others than allOf with plain objects, which is not supported'],
    [{ type: 'object', unevaluatedProperties: false, allOf: [{ type: 'object', additionalProperties: true }] }, 'has the keyword unevaluatedProperties beside others than allOf with plain objects, which is not supported'],
    [{ unevaluatedProperties: false, allOf: [null, {}] }, 'has the keyword unevaluatedProperties beside others than allOf with plain objects, which is not supported'],
    [{ type: 'object', unevaluatedProperties: false, allOf: [true] }, 'has the keyword unevaluatedProperties beside others than allOf with plain objects, which is not supported'],
    ...['dependencies', 'dependentRequired', 'dependentSchemas', 'propertyNames', 'unevaluatedItems', '$dynamicRef', '$recursiveRef'].map((name): [unknown, string] => [{ [name]: {} }, `has the keyword ${name}, which is not supported`]),
    ...[Type.BigInt(), Type.Undefined(), Type.Function([], Type.Null()), Type.Symbol(), Type.Void(), Type.Constructor([], Type.Null())].map((schema): [unknown, string] => {
      const kind = (schema as unknown as Record<string, string>)['~kind']!
      return [schema, `has a Type.${kind}, which JSON Schema cannot express`]
    }),
    [Type.Refine(Type.String(), () => true, () => 'm'), 'has a Type.Refine, which JSON Schema cannot express'],
    [Type.Codec(Type.String()).Decode((text) => text).Encode((text) => text), 'has a Type.Codec, which JSON Schema cannot express'],
    [Type.String({ pattern: /a/i, maxLength: 9 }), 'has the pattern /a/i, whose flags JSON Schema cannot express'],
    [{ type: 'string', pattern: '^a' }, 'has the pattern ^a without a maxLength of at most 1000'],
    [{ type: 'object', patternProperties: { '(?=a)': true, b: true } }, 'has the pattern (?=a), which cannot be matched in linear time: it has (?=, which is not a plain group']
  ]
  for (const [schema, says] of bad) {
    t.throws(() => compiled(schema), { constructor: SchemaError, message: says }, says)
    // A list of schemas is a tuple there.
    if (schema !== undefined && !Array.isArray(schema)) t.throws(() => compiled(at(schema)), { constructor: SchemaError, message: schema instanceof Object && '$ref' in schema && says.includes('none') ? says : `${says}${place}` }, `${says}, within`)
  }
  t.throws(() => compiled(recursive), { constructor: SchemaError, message: 'refers to itself without end (at /$defs/A)' })
  t.throws(() => compiled({ $ref: '#' }), { constructor: SchemaError, message: 'refers to itself without end' })
  t.end()
})

t.test('values are judged and cleaned by schemas of each kind', (t) => {
  const cases: Array<[schema: unknown, good: Array<[value: unknown, cleaned?: unknown]>, bad: Array<[value: unknown, ...paths: string[]]>]> = [
    [true, [[1]], []],
    [false, [], [[1, '']]],
    [{ type: 'string', nullable: true }, [['a'], [null]], [[1, '']]],
    [{ title: 'any', 'x-own': 1, examples: [1] }, [[{ a: 1 }]], []],
    [z.toJSONSchema(z.object({ a: z.enum(['x', 'y']) })), [[{ a: 'x' }]], [[{ a: 'z' }, '/a'], [{ a: 'x', b: 1 }, '/b']]],
    [Type.Object({ a: Type.Literal('x'), b: Type.Optional(Type.Tuple([Type.Integer(), Type.Null()])) }), [[{ a: 'x', b: [1, null], c: 1 }, { a: 'x', b: [1, null] }]], [[{ a: 'y' }, '/a'], [{}, '/a'], [{ a: 'x', b: [1] }, '/b']]],
    [Type.Record(Type.String(), Type.Number()), [[{ any: 1 }]], [[{ any: 'x' }, '/any'], [[], '']]],
    [Type.Cyclic({ Tree: Type.Object({ trees: Type.Array(Type.Ref('Tree')) }) }, 'Tree'), [[{ trees: [{ trees: [], x: 1 }] }, { trees: [{ trees: [] }] }]], [[{ trees: [{}] }, '/trees/0/trees']]],
    [Type.TemplateLiteral([Type.Literal('a'), Type.Union([Type.Literal('b'), Type.Literal('c')])]), [['ab']], [['ad', '']]],
    [Type.String({ pattern: /^a$/, maxLength: 3 }), [['a']], [['b', '']]],
    [Type.Unsafe<string>({ type: 'string' }), [['a']], [[1, '']]],
    [{ type: 'object', properties: { a: { type: 'array', prefixItems: [{ type: 'object', properties: { x: true } }], items: { type: 'object' }, minItems: 1, maxItems: 2 } } }, [[{ a: [{ x: 1, y: 1 }, { z: 1 }] }, { a: [{ x: 1 }, {}] }]], [[{ a: [] }, '/a'], [{ a: [1] }, '/a/0'], [{ a: [{}, 1] }, '/a/1'], [{ a: [{}, {}, {}] }, '/a'], [{ a: 1 }, '/a']]],
    [{ type: 'array', prefixItems: [true], contains: { const: 1 }, minContains: 2, maxContains: 3 }, [[['a', 1, 1]]], [[[1], ''], [[1, 1, 1, 1], ''], [1, '']]],
    [{ type: 'array', contains: { const: 1 } }, [[[1]]], [[[], '']]],
    [{ type: 'array', contains: { const: 1 }, minContains: 0 }, [[[]]], [[1, '']]],
    [{ type: 'array', prefixItems: [{ type: 'number' }], uniqueItems: true }, [[[1, 2]]], [[[1, 1], ''], [['a'], '/0']]],
    [{ const: { a: [1, { b: 2 }] } }, [[{ a: [1, { b: 2 }] }]], [[{ a: [1, { b: 3 }] }, ''], [null, ''], ['x', '']]],
    [{ type: 'object', properties: { a: true }, anyOf: [{ required: ['b'] }, { properties: { c: { type: 'number' } }, required: ['c'] }] }, [[{ a: 1, b: 1, d: 1 }, { a: 1, b: 1 }], [{ c: 1, d: 1 }, { c: 1 }]], [[{ a: 1 }, '']]],
    [{ type: 'object', properties: { a: true }, not: { required: ['b'] } }, [[{ a: 1, c: 1 }, { a: 1 }]], [[{ b: 1 }, '']]],
    [{ type: 'object', properties: { a: true }, if: { properties: { a: { const: 1 } } }, then: { required: ['b'] }, else: { required: ['c'], additionalProperties: true } }, [[{ a: 1, b: 1, d: 1 }, { a: 1, b: 1 }], [{ a: 2, c: 1, d: 1 }]], [[{ a: 1 }, '/b'], [{ a: 2 }, '/c']]],
    [{ type: 'object', properties: { a: true }, if: { required: ['a'] }, else: { required: ['b'] } }, [[{ a: 1, d: 1 }, { a: 1 }], [{ b: 1, d: 1 }, { b: 1 }]], [[{}, '/b']]],
    [{ type: 'object', properties: { a: true }, if: { required: ['a'] }, then: { required: ['b'] } }, [[{ c: 1 }, {}]], [[{ a: 1 }, '/b']]],
    [{ if: { type: 'string' }, then: { const: 'a' }, else: { type: 'number' } }, [['a'], [1]], [['b', ''], [null, '']]],
    [{ type: 'array', items: { type: 'object', properties: { a: true } }, if: { const: [] }, then: true }, [[[{ a: 1, b: 1 }]]], [[1, '']]],
    [{ if: { const: 'a' }, then: { const: 'a' } }, [['b'], [null], [{ x: 1 }, {}]], []],
    [{ type: ['array', 'null'], contains: { const: 1 } }, [[[1]], [null]], [[[], '']]],
    [{ type: 'string', enum: ['a', 1] }, [['a']], [[1, '']]],
    [{ type: 'integer', enum: [1, 2.5, 'x', null] }, [[1]], [[2.5, ''], ['x', '']]],
    [{ type: 'string', const: 1 }, [], [[1, '']]],
    [{ enum: [null, true, [1]] }, [[null], [true], [[1]]], [[[2], '']]],
    [{ type: ['array', 'null'], enum: [[1], 1, null] }, [[[1]], [null]], [[1, '']]],
    [{ type: 'array', prefixItems: [{ type: 'number' }] }, [[[1, 'a']], [[]]], [[['a', 1], '/0']]],
    [{ type: 'string', maxLength: undefined }, [['a']], [[1, '']]],
    [{ type: ['array', 'object'], if: { const: [] }, then: true }, [[[1]], [{}]], [[1, '']]],
    [{ oneOf: [{ type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }, { type: 'object', properties: { b: true }, required: ['b'] }, { type: 'string' }] }, [[{ a: 'x', c: 1 }, { a: 'x' }], [{ b: 1 }], ['x']], [[{ a: 'x', b: 1 }, ''], [{}, '']]],
    [{ type: 'object', properties: { a: { type: 'object', properties: { x: true } } }, required: ['a', 'b'], patternProperties: { '^a|z$': { type: 'object', properties: { y: true } }, '^n': { type: 'number' } } }, [[{ a: { x: 1, y: 1, w: 1 }, b: 1, n: 1, o: 1 }, { a: { x: 1, y: 1 }, b: 1, n: 1 }]], [[{ a: {}, b: 1, n: 'x' }, '/n'], [{ a: 1 }, '/b', '/a', '/a'], [1, '']]],
    [{ type: 'object', patternProperties: { '^a': true, '^b': true }, additionalProperties: false, minProperties: 1, maxProperties: 2 }, [[{ a: 1 }]], [[{ 'c/~': 1 }, '/c~1~0'], [{}, ''], [{ a: 1, b: 1, ab: 1 }, '']]],
    [{ type: 'object', patternProperties: { '^a': true, '^b': true }, additionalProperties: { type: 'object', properties: { x: true } } }, [[{ a: 1, c: { x: 1, y: 1 } }, { a: 1, c: { x: 1 } }]], [[{ c: 1 }, '/c']]],
    [{ type: 'object', properties: { a: true }, required: ['b'], additionalProperties: false }, [], [[{ b: 1 }, '/b'], [{}, '/b']]],
    [{ type: 'object', required: ['b'], additionalProperties: { type: 'number' } }, [[{ b: 1, c: 2 }]], [[{ b: 'x' }, '/b']]],
    [{ type: 'object', properties: { a: { anyOf: [{ type: 'string' }, {}] }, b: { allOf: [{}, {}] } }, required: ['a', 'b'] }, [[{ a: 1, b: 1 }]], [[{}, '/a', '/b']]],
    [{ type: 'object', properties: { a: true }, unevaluatedProperties: false }, [[{ a: 1 }]], [[{ b: 1 }, '/b']]],
    [{ type: 'object', allOf: [{ properties: { a: true } }, { type: 'object', properties: { b: true } }], unevaluatedProperties: { type: 'number' } }, [[{ a: '', b: '', c: 1 }]], [[{ c: 'x' }, '/c']]],
    [{ type: 'object', allOf: [{ properties: { a: true } }], unevaluatedProperties: false }, [[{ a: 1 }]], [[{ c: 'x' }, '/c']]],
    [{ $id: 'https://example.org/a', type: 'object', properties: { b: { $ref: 'https://example.org/a#/$defs/t~1x' }, c: { $ref: 'B' }, d: { $id: 'inner', definitions: { T: { type: 'null' } }, $ref: '#/definitions/T' } }, $defs: { 't/x': { type: 'string' }, any: { $id: 'B', type: 'number' } } }, [[{ b: 'x', c: 1, d: null }]], [[{ b: 1 }, '/b'], [{ c: 'x' }, '/c'], [{ d: 1 }, '/d']]]
  ]
  for (const [schema, good, bad] of cases) {
    const check = compiled(schema)
    const about = JSON.stringify(schema)
    for (const [value, cleaned = value] of good) {
      t.ok(check.Check(value), `${about} takes ${JSON.stringify(value)}`)
      t.strictSame(check.Clean(value), cleaned, `${about} cleans ${JSON.stringify(value)}`)
    }
    for (const [value, ...paths] of bad) {
      t.notOk(check.Check(value), `${about} refuses ${JSON.stringify(value)}`)
      t.strictSame([...new Set(check.Errors(value).map(({ path }) => path))].sort(), [...new Set(paths)].sort(), `${about} on ${JSON.stringify(value)}: ${JSON.stringify(check.Errors(value))}`)
    }
    t.strictSame(good.map(([value]) => compileJsonSchema(JSON.parse(JSON.stringify(toJsonSchema(schema)))).Check(value)), good.map(() => true), `${about}, stored`)
  }
  t.end()
})
