import { Type as OldType, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import Type from 'typebox'
import { compile, compileMessage } from '../../lib/protocol/compile.js'

/** Without the type of the schema, which has no end. */
const recursive = OldType.Recursive as unknown as (make: (This: TSchema) => TSchema) => TSchema
const modules = OldType.Module as unknown as (schemas: Record<string, TSchema>) => { Import: (name: string) => TSchema }

const refuse = (reason: string) => new Error(reason)
const object = OldType.Object({ a: OldType.Optional(OldType.String()) })
const A = OldType.Ref('A')

const endless: Record<string, object> = {
  'a union of itself': recursive((This) => OldType.Union([This, object])),
  'an intersection of itself': recursive((This) => OldType.Intersect([object, This])),
  'what is not itself': recursive((This) => OldType.Intersect([object, OldType.Not(This)])),
  'a union within a union': recursive((This) => OldType.Union([object, OldType.Union([OldType.Object({ b: This }), This])])),
  'a module': modules({ A: OldType.Union([A, object]) }).Import('A'),
  'two of a module': modules({ A: OldType.Union([OldType.Ref('B'), object]), B: OldType.Intersect([A]) }).Import('A'),
  'a part': OldType.Object({ list: OldType.Array(recursive((This) => OldType.Union([This, OldType.String()]))) }),
  'a part of a module': OldType.Object({ part: modules({ A: OldType.Object({ b: OldType.Ref('B') }), B: OldType.Union([OldType.Ref('B'), OldType.Null()]) }).Import('A') }),
  'typebox 1': Type.Cyclic({ A: Type.Union([Type.Ref('A'), Type.Object({})]) }, 'A'),
  'typebox 1, a part': Type.Object({ part: Type.Cyclic({ A: Type.Union([Type.Ref('A'), Type.Object({})]) }, 'A') }),
  'JSON Schema': { type: 'object', anyOf: [{ $ref: '#' }, { required: ['a'] }] },
  'JSON Schema, a condition': { type: 'object', if: { $ref: '#' }, then: { required: ['a'] } },
  'JSON Schema, oneOf of two': { $ref: '#/$defs/A', $defs: { A: { oneOf: [{ $ref: '#/$defs/B' }, { type: 'object' }] }, B: { allOf: [{ $ref: '#/$defs/A' }] } } }
}

const ending: Record<string, object> = {
  'the values of a record': recursive((This) => OldType.Record(OldType.String({ pattern: '^[a-c]$' }), This)),
  'other fields': recursive((This) => OldType.Object({}, { additionalProperties: This })),
  'fields that no member names': recursive((This) => OldType.Intersect([object], { unevaluatedProperties: This })),
  'counted fields': recursive((This) => OldType.Object({ b: OldType.Optional(This) }, { maxProperties: 3 })),
  'items of a tuple': OldType.Object({ list: recursive((This) => OldType.Union([OldType.Tuple([This]), OldType.Null()])) }),
  'JSON Schema, lists': { type: 'object', properties: { list: { type: 'array', prefixItems: [{ $ref: '#' }], items: { $ref: '#' }, contains: { $ref: '#' } } }, patternProperties: { '^b': { $ref: '#' } } },
  'used twice': modules({ A: OldType.Union([OldType.Ref('B'), OldType.Intersect([OldType.Ref('B')])]), B: object }).Import('A')
}

t.test('a schema that refers to itself without a value between is refused, whatever its kind', async (t) => {
  const refusal = /^its schema refers to itself without end/
  for (const [name, schema] of Object.entries(endless)) {
    t.throws(() => compile(refuse, schema), { message: refusal }, name)
    t.throws(() => compileMessage(refuse, 'app.type', schema, { type: OldType.Optional(OldType.Literal('app.type')) }), { message: refusal }, `${name}, as a message`)
  }
  t.throws(() => compile(refuse, endless['a part of a module']), { message: 'its schema refers to itself without end (at /B)' })
  t.throws(() => compile(refuse, endless['JSON Schema, oneOf of two']), { message: 'its schema refers to itself without end (at /$defs/A)' })
})

t.test('a schema that refers to itself for a part of its value is accepted', async (t) => {
  for (const [name, schema] of Object.entries(ending)) {
    t.equal(compile(refuse, schema).check.Check('text'), false, name)
    t.equal(compileMessage(refuse, 'app.type', schema, { type: OldType.Optional(OldType.Literal('app.type')) }).check.Check('text'), false, `${name}, as a message`)
  }
})
