import { Type as OldType, type TSchema } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { formOf } from '../../lib/protocol/call-form.js'
import { Outbound } from '../../lib/protocol/outbound.js'
import { checkedMessage } from '../../lib/validation/faults.js'

const type = 'app.type'
const refuse = (reason: string) => new Error(reason)

/** Without the type of the schema, which has no end. */
const recursive = OldType.Recursive as unknown as (make: (This: TSchema) => TSchema) => TSchema
const modules = OldType.Module as unknown as (schemas: Record<string, TSchema>) => { Import: (name: string) => TSchema }

/** Returns a call and a message between clients as they are cleaned, or where they are refused. */
function verdict (schema: object, fields: object, channel?: string): { call: unknown, relayed: unknown } {
  const { check } = formOf(refuse, type, { data: schema, reply: undefined, isRest: false, channel }, 'data')
  const outbound = new Outbound(null)
  outbound.declare(type, schema)
  const message = { type, ...fields }
  return { call: given(() => checkedMessage(check, message)), relayed: given(() => outbound.relayed(message, 'send')) }
}

function given (run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** One schema of each kind, with messages that are valid (`kept`: as they are cleaned) or not. */
interface Case { schemas: Record<string, object>, good: Array<[given: object, kept: object]>, bad: object[] }

function assertSame (t: Test, cases: Record<string, Case>): void {
  for (const [name, { schemas, good, bad }] of Object.entries(cases)) {
    for (const [kind, schema] of Object.entries(schemas)) {
      for (const [given, kept] of good) {
        t.strictSame(verdict(schema, given), { call: { type, ...kept }, relayed: { type, ...kept } }, `${name}, ${kind}: ${JSON.stringify(given)}`)
        const sent = { id: 7, channel: 'room', ...given }
        t.strictSame(verdict(schema, sent, 'room').call, { type, id: 7, channel: 'room', ...kept }, `${name}, ${kind}: ${JSON.stringify(sent)}`)
      }
      for (const given of bad) t.strictSame(verdict(schema, given), { call: 'WSM_ERR_INVALID_MESSAGE', relayed: 'WSM_ERR_INVALID_MESSAGE' }, `${name}, ${kind}: ${JSON.stringify(given)}`)
    }
  }
}

const textOf = (name: string, kids: object, more = {}) => ({ type: 'object', properties: { [name]: { type: 'string' }, kids }, required: [name], ...more })

t.test('parts of a message that refers to itself know nothing of the envelope, whatever the kind of its schema', async (t) => {
  const tree = (more = {}) => ({
    '@sinclair/typebox': recursive((This) => OldType.Object({ name: OldType.String(), kids: OldType.Optional(OldType.Array(This)) }, more)),
    'a module of @sinclair/typebox': modules({ Tree: OldType.Object({ name: OldType.String(), kids: OldType.Optional(OldType.Array(OldType.Ref('Tree'))) }, more) }).Import('Tree'),
    typebox: Type.Cyclic({ Tree: Type.Object({ name: Type.String(), kids: Type.Optional(Type.Array(Type.Ref('Tree'))) }, more) }, 'Tree'),
    'JSON Schema': textOf('name', { type: 'array', items: { $ref: '#' } }, more)
  })
  const either = (Self: TSchema) => [OldType.Object({ name: OldType.String(), kids: OldType.Optional(OldType.Array(Self)) }), OldType.Object({ kids: OldType.Array(Self) })]
  const leaf = { name: 'leaf' }
  assertSame(t, {
    open: {
      schemas: tree(),
      good: [[{ name: 'a', kids: [leaf] }, { name: 'a', kids: [leaf] }], [{ name: 'a', kids: [{ ...leaf, type: 5, id: {}, channel: 1, more: 1 }], more: 1 }, { name: 'a', kids: [leaf] }]],
      bad: [{ name: 'a', kids: [{ type }] }, { kids: [] }]
    },
    closed: {
      schemas: tree({ additionalProperties: false }),
      good: [[{ name: 'a', kids: [leaf] }, { name: 'a', kids: [leaf] }]],
      bad: [{ name: 'a', kids: [{ ...leaf, type }] }, { name: 'a', kids: [{ ...leaf, id: 1 }] }, { name: 'a', more: 1 }]
    },
    counted: {
      schemas: tree({ minProperties: 1, maxProperties: 1 }),
      good: [[{ name: 'a' }, { name: 'a' }]],
      bad: [{ name: 'a', kids: [] }, {}]
    },
    'in a union': {
      schemas: {
        '@sinclair/typebox': recursive((This) => OldType.Union(either(This))),
        'a module of @sinclair/typebox': modules({ Any: OldType.Union([OldType.Ref('One'), OldType.Ref('Other')]), One: either(OldType.Ref('Any'))[0]!, Other: either(OldType.Ref('Any'))[1]! }).Import('Any'),
        'JSON Schema': { anyOf: [textOf('name', { type: 'array', items: { $ref: '#' } }), { type: 'object', properties: { kids: { type: 'array', items: { $ref: '#' } } }, required: ['kids'] }] }
      },
      good: [[{ kids: [{ kids: [], id: 5, type: 5 }, leaf] }, { kids: [{ kids: [] }, leaf] }]],
      bad: [{ kids: [{ type }] }, { more: 1 }]
    }
  })
})

t.test('a message of any fields, of an intersection or with a number of fields gets one verdict by each kind of schema', async (t) => {
  const string = { type: 'string' }
  const object = (properties: object, more = {}) => ({ type: 'object', properties, ...more })
  /** Two objects with these rules, together. */
  const both = (more: object, ofSecond = {}) => ({
    '@sinclair/typebox': OldType.Intersect([OldType.Object({ a: OldType.Optional(OldType.String()) }), OldType.Object({ b: OldType.Optional(OldType.Object({ c: OldType.Optional(OldType.String()) })) }, ofSecond)], more),
    typebox: Type.Intersect([Type.Object({ a: Type.Optional(Type.String()) }), Type.Object({ b: Type.Optional(Type.Object({ c: Type.Optional(Type.String()) })) }, ofSecond)], more as never),
    'JSON Schema': { type: 'object', allOf: [object({ a: string }), object({ b: object({ c: string }) }, ofSecond)], ...more },
    'JSON Schema, whose members name the type': { allOf: [object({ a: string }), object({ b: object({ c: string }) }, ofSecond)], ...more }
  })
  const named = OldType.Intersect([OldType.Object({ a: OldType.Optional(OldType.String()) }, { $id: 'A' }), OldType.Object({ b: OldType.Optional(OldType.Object({ c: OldType.Optional(OldType.String()) })) })], { unevaluatedProperties: false })
  const counted = (more: object) => ({
    '@sinclair/typebox': OldType.Object({ a: OldType.Optional(OldType.String()), b: OldType.Optional(OldType.String()) }, more),
    typebox: Type.Object({ a: Type.Optional(Type.String()), b: Type.Optional(Type.String()) }, more as never),
    'JSON Schema': object({ a: string, b: string }, more),
    'a union of @sinclair/typebox': OldType.Union([OldType.Object({ a: OldType.Optional(OldType.String()), b: OldType.Optional(OldType.String()) }, more), OldType.Object({ z: OldType.Literal(1) })]),
    'a union of typebox': Type.Union([Type.Object({ a: Type.Optional(Type.String()), b: Type.Optional(Type.String()) }, more as never), Type.Object({ z: Type.Literal(1) })]),
    'a union of JSON Schema': { anyOf: [object({ a: string, b: string }, more), { ...object({ z: { const: 1 } }), required: ['z'] }] }
  })
  const same = (...messages: object[]) => messages.map((message): [object, object] => [message, message])
  assertSame(t, {
    'a record': {
      schemas: {
        '@sinclair/typebox': OldType.Record(OldType.String(), OldType.Number()),
        'a module of @sinclair/typebox': modules({ R: OldType.Record(OldType.String(), OldType.Ref('N')), N: OldType.Number() }).Import('R'),
        typebox: Type.Record(Type.String(), Type.Number()),
        'JSON Schema': { type: 'object', additionalProperties: { type: 'number' } }
      },
      good: same({ a: 1 }, {}),
      bad: [{ a: 'x' }]
    },
    'a record of few keys': {
      schemas: {
        '@sinclair/typebox': OldType.Record(OldType.String({ pattern: '^k' }), OldType.Number(), { minProperties: 1, maxProperties: 2, additionalProperties: false }),
        'JSON Schema': { type: 'object', patternProperties: { '^k': { type: 'number' } }, additionalProperties: false, minProperties: 1, maxProperties: 2 }
      },
      good: same({ k: 1 }, { k: 1, key: 2 }),
      bad: [{}, { k: 1, key: 2, kind: 3 }, { k: 1, other: 1 }, { k: 'x' }]
    },
    'an intersection': { schemas: both({}), good: [[{ a: 'x', b: { c: 'x', more: 1 }, more: 1 }, { a: 'x', b: { c: 'x' } }]], bad: [{ a: 1 }] },
    'a closed intersection': {
      schemas: { ...both({ unevaluatedProperties: false }), 'a named member of @sinclair/typebox': named },
      good: [[{ a: 'x', b: { c: 'x', more: 1 } }, { a: 'x', b: { c: 'x' } }], ...same({})],
      bad: [{ a: 'x', more: 1 }, { b: { c: 1 } }]
    },
    'an intersection with others': { schemas: both({ unevaluatedProperties: { ...OldType.Number() } }), good: same({ a: 'x', more: 1 }, {}), bad: [{ more: 'x' }, { a: 1 }] },
    'an intersection that counts': { schemas: both({ unevaluatedProperties: false }, { minProperties: 1, maxProperties: 1 }), good: same({ a: 'x' }, { b: {} }), bad: [{}, { a: 'x', b: {} }] },
    'a number of fields': { schemas: counted({ minProperties: 1, maxProperties: 1 }), good: same({ a: 'x' }, { b: 'x' }), bad: [{}, { a: 'x', b: 'x' }] },
    'a number of fields, closed': { schemas: counted({ maxProperties: 1, additionalProperties: false }), good: same({ a: 'x' }, {}), bad: [{ a: 'x', b: 'x' }, { more: 1 }] }
  })
})
