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
