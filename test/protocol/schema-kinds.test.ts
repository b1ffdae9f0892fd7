import { Type as OldType, type Static } from '@sinclair/typebox'
import t from 'tap'
import Type from 'typebox'
import { z } from 'zod'
import type { UserConfirmation, WsManager } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { askStored } from '../fixtures/questions.js'

const Old = OldType.Object({ text: OldType.String(), n: OldType.Optional(OldType.Integer()) })
const New = Type.Object({ text: Type.String(), n: Type.Optional(Type.Integer()) })
const Json = { type: 'object', properties: { text: { type: 'string' }, n: { type: 'integer' } }, required: ['text'] } as const
const schemas = { '@sinclair/typebox': Old, typebox: New, 'JSON Schema': Json, Zod: z.toJSONSchema(z.object({ text: z.string(), n: z.int().optional() }), { io: 'input' }) }

t.test('handlers, replies, declarations and answers take schemas of each kind', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const alice = await server.connect('alice')
  for (const [kind, schema] of Object.entries(schemas)) {
    const type = `app.${kind.replace(/\W/g, '')}`
    ws.handle(type, { schema, reply: schema }, (message) => (message as unknown as { text: string }).text === 'bad' ? { text: 1 } : message)
    t.match(await alice.request({ type, text: 'hi', n: 1, more: 1 }), { data: { text: 'hi', n: 1, more: undefined, type } }, kind)
    t.match(await alice.request({ type, text: 1 }), { code: 'invalid_message', details: [{ path: '/text' }] }, kind)
    t.match(await alice.request({ type, text: 'bad' }), { code: 'internal' }, `${kind}: reply`)
    ws.declare(type, schema)
    await t.rejects(ws.broadcast({ type, text: 1 }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /text/ }, `${kind}: declared`)
    t.match(await ws.broadcast({ type, text: 'hi' }), { localRecipients: 1 })
    const { end, id } = await askStored(server, 'alice', { answer: schema })
    t.match(await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: { n: 1 } }), { code: 'invalid_message', details: [{ path: '/answer/text' }] }, `${kind}: answer`)
    await alice.request({ type: 'confirm', callback_id: id, proceed: true, answer: { text: 'yes' } })
    t.match(await end, { outcome: 'confirmed', answer: { text: 'yes' } })
  }
})

t.test('closed objects of each shape accept the fields of the envelope, and no others', async (t) => {
  const closed = (name: string) => ({ type: 'object', properties: { [name]: { type: 'number' } }, required: [name], additionalProperties: false })
  const shapes: Record<string, object> = {
    plain: closed('a'),
    typebox: Type.Object({ a: Type.Number() }, { additionalProperties: false }),
    reference: { $ref: '#/$defs/Message', $defs: { Message: { ...closed('a'), properties: { a: { type: 'number' }, inner: { $ref: '#/$defs/Message' } } } } },
    cyclic: Type.Cyclic({ Message: Type.Object({ a: Type.Number(), inner: Type.Optional(Type.Ref('Message')) }, { additionalProperties: false }) }, 'Message'),
    root: { ...closed('a'), properties: { a: { type: 'number' }, inner: { $ref: '#' } } },
    oneof: { oneOf: [closed('a'), closed('b')] },
    anyof: { anyOf: [closed('a'), closed('b')] },
    allof: { type: 'object', properties: { type: { const: 'shape.allof' } }, required: ['type'], allOf: [{ ...closed('a'), minProperties: 1, maxProperties: 1 }] },
    unevaluated: { type: 'object', allOf: [{ properties: { a: { type: 'number' } }, required: ['a'] }], unevaluatedProperties: false },
    pattern: { type: 'object', patternProperties: { '^a$': { type: 'number' }, '^.*e.*$': { type: 'boolean' } }, required: ['a'], additionalProperties: false },
    open: { type: 'object', properties: { a: { type: 'number' } }, required: ['a'], patternProperties: { '^z': true } },
    record: Type.Record(Type.String(), Type.Number()),
    not: { type: 'object', properties: { a: { type: 'number' } }, required: ['a'], not: closed('b'), if: { required: ['b'] }, then: false, additionalProperties: false }
  }
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      for (const [name, schema] of Object.entries(shapes)) {
        ws.handle(`shape.${name}`, { schema, rest: true }, (message) => message)
        ws.handle(`channel.${name}`, { schema: name === 'allof' ? { allOf: [closed('a')] } : schema, channel: 'room' }, (message) => message)
        ws.declare(`shape.${name}`, schema)
      }
    }
  })
  const { ws } = server.app
  for (const name of Object.keys(shapes)) {
    const type = `shape.${name}`
    // Its tenth error would close the socket.
    const alice = await server.connect(name)
    const { data, id } = await alice.request({ type, a: 1 })
    t.strictSame(data, { type, a: 1, id }, name)
    t.match(await alice.request({ type, a: 'x' }), { code: 'invalid_message' }, name)
    if (!['open', 'record'].includes(name)) t.match(await alice.request({ type, a: 1, other: 1 }), { code: 'invalid_message' }, name)
    if (['reference', 'cyclic', 'root'].includes(name)) {
      t.match(await alice.request({ type, a: 1, inner: { a: 1 } }), { data: { inner: { a: 1 } } }, name)
      t.match(await alice.request({ type, a: 1, inner: { a: 1, type } }), { code: 'invalid_message' }, `${name}: not within`)
    }
    t.match(await server.rest('POST', `/ws/call/${type}`, { as: 'alice', body: { a: 1 } }), { status: 200, body: { data: { a: 1 } } }, `${name}: REST`)
    t.match(await ws.sendToUser(name, { type, a: 1 }), { localRecipients: 1 }, name)
    await t.rejects(ws.broadcast({ type, a: 'x' }), { code: 'WSM_ERR_INVALID_ARGUMENT' }, name)
    t.match(await alice.request({ type: `channel.${name}`, a: 1 }), { code: 'invalid_message', details: [{ path: '/channel' }] }, `${name}: channel`)
  }
})

t.test('a missing or wrong schema is refused with a sentence', async (t) => {
  const { app: { ws } } = await startApp(t)
  const wrong: Array<[schema: unknown, says: string]> = [
    [undefined, 'is missing: pass a schema of TypeBox, or a JSON Schema'], [null, 'is not a JSON Schema: it is null'], [class Model {}, 'is not a JSON Schema: it is the class Model'],
    [() => {}, 'is not a JSON Schema: it is a function'], [z.object({}), 'is a Zod schema: convert it with z.toJSONSchema()'], [{ type: 'objekt' }, 'has the type objekt, which JSON Schema does not know: did you mean "object"?']
  ]
  for (const [schema, says] of wrong) {
    const refused = (part: string, what = 'The handler for') => ({ code: 'WSM_ERR_INVALID_HANDLER', message: `${what} "app.type" cannot be registered: its ${part} ${says}` })
    t.throws(() => ws.handle('app.type', { schema: schema as object }, () => {}), refused('schema'), says)
    t.throws(() => ws.declare('app.type', schema as object), refused('schema', 'The message'), says)
    if (schema === undefined) continue
    t.throws(() => ws.handle('app.type', { schema: {}, reply: schema as object }, () => {}), refused('reply'), says)
    await t.rejects(ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', answer: schema as object }), {
      code: 'WSM_ERR_INVALID_ARGUMENT', message: `ws.notifyUser(): options.answer: The answer schema ${says}`
    }, says)
  }
  const says = (says: string) => ({ message: `The message "app.type" cannot be registered: its schema ${says}` })
  t.throws(() => ws.declare('app.type', { type: ['object', 'null'] }), says('must describe an object, since every message is one'))
  t.throws(() => ws.declare('app.type', { oneOf: [{ type: 'object' }, { type: 'array', prefixItems: [true] }] }), says('must describe an object, since every message is one (at /oneOf/1)'))
  t.throws(() => ws.declare('app.type', { type: 'object', properties: { type: { type: 'string', enum: ['app.other', 'x'] } } }), says('describes messages of another type than "app.type" (at /properties/type)'))
  t.throws(() => ws.declare('app.type', { type: 'object', properties: { type: { const: 1, oneOf: [{}] } }, required: ['type'] }), says('describes messages of another type than "app.type" (at /properties/type)'))
})

/** Types alone. */
export function types (ws: WsManager): void {
  ws.handle('a.old', { schema: Old, reply: Old }, ({ text, n }) => ({ text: `${text}${n?.toFixed() ?? ''}` }))
  ws.handle('a.new', { schema: New, reply: New }, ({ text, n }) => ({ text: `${text}${n?.toFixed() ?? ''}` }))
  ws.handle('a.json', { schema: { type: 'object', properties: { text: { type: 'string' }, kind: { enum: ['x', 'y'] } }, required: ['text', 'kind'] } }, ({ text, kind }) => {
    const its: [string, 'x' | 'y'] = [text, kind]
    return its
  })
  // @ts-expect-error: the reply has no text
  ws.handle('a.new', { schema: New, reply: New }, () => ({ n: 1 }))
  // @ts-expect-error: the schema names no such field
  ws.handle('a.new', { schema: New }, ({ other }) => other)
  const unknown: object = {}
  ws.handle('a.any', { schema: unknown }, (message) => message.type.length)
  const asked: Promise<UserConfirmation<Static<typeof Old>>> = ws.notifyUser({ message: 'Go on?' }, { userId: 'a', taskId: 't', answer: New })
  const askedJson: Promise<UserConfirmation<{ text: string }>> = ws.notifyUser({ message: 'Go on?' }, { userId: 'a', taskId: 't', answer: Json })
  const askedAny: Promise<UserConfirmation> = ws.notifyUser({ message: 'Go on?' }, { userId: 'a', taskId: 't' })
  t.comment(asked, askedJson, askedAny)
}
