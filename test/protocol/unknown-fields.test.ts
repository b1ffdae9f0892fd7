import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'

const Draft = Type.Object({ text: Type.String(), place: Type.Optional(Type.Object({ x: Type.Number() })) })
const rest = true

t.test('a handler gets the fields that its schema names, by frame, by walker and by REST', async (t) => {
  const received: unknown[] = []
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.on('message_received', ({ message }) => { received.push(message) })
      ws.handle('chat.send', { schema: Draft, rest, authorize: (_context, message) => !('more' in message) }, (message) => message)
      ws.handle('chat.open', { schema: Type.Object({ text: Type.String() }, { additionalProperties: true }), rest }, (message) => message)
      ws.handle('chat.closed', { schema: Type.Object({ text: Type.String() }, { additionalProperties: false }), rest }, (message) => message)
      ws.handle('chat.typed', { schema: Type.Object({ text: Type.String() }, { additionalProperties: Type.Number() }), rest }, (message) => message)
      ws.handle('chat.either', { schema: Type.Union([Type.Object({ a: Type.Number() }), Type.Object({ b: Type.Number() })]), rest }, (message) => message)
      ws.handle('chat.both', { schema: Type.Intersect([Type.Object({ a: Type.Number() }), Type.Object({ b: Type.Number() })]), rest }, (message) => message)
      ws.handle('chat.any', { schema: Type.Unknown(), rest }, (message) => message)
    }
  })
  const client = await server.connect('alice')
  const cases: Array<[type: string, fields: object, handled: object | null]> = [
    ['chat.send', { text: 'hi' }, { text: 'hi' }],
    ['chat.send', { text: 'hi', more: 1, place: { x: 1, y: 2 } }, { text: 'hi', place: { x: 1 } }],
    ['chat.open', { text: 'hi', more: 1 }, { text: 'hi', more: 1 }],
    ['chat.closed', { text: 'hi', more: 1 }, null],
    ['chat.typed', { text: 'hi', more: 1 }, { text: 'hi', more: 1 }],
    ['chat.typed', { text: 'hi', more: 'x' }, null],
    ['chat.either', { b: 1, c: 1 }, { b: 1 }],
    ['chat.both', { a: 1, b: 1, c: 1 }, { a: 1, b: 1 }],
    ['chat.any', { c: 1 }, { c: 1 }]
  ]
  for (const [type, fields, handled] of cases) {
    const name = `${type} ${JSON.stringify(fields)}`
    received.length = 0
    const frame = await client.request({ type, ...fields })
    const walker = await client.request({ type: 'walker', walker: type, context: fields })
    const called = await server.rest('POST', `/ws/call/${type}`, { as: 'alice', body: fields })
    if (handled === null) {
      t.same([frame.code, walker.code, called.status], ['invalid_message', 'invalid_message', 400], name)
      continue
    }
    t.same(frame.data, { ...handled, type, id: frame.id }, name)
    t.same(received[0], { ...handled, type, id: frame.id }, `${name}: listeners`)
    t.same(walker.data, { ...handled, type }, `${name}: walker`)
    t.same(called.body, { data: { ...handled, type } }, `${name}: REST`)
  }
  t.match(await client.request({ action: 'chat.both', a: 1, b: 1, c: 1 }), { data: { action: undefined, type: 'chat.both', a: 1, b: 1, c: undefined } })
})

t.test('a message that is valid only with fields that are removed is refused', async (t) => {
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.handle('chat.some', { schema: Type.Object({ a: Type.Optional(Type.Object({ b: Type.Optional(Type.Number()) }, { minProperties: 1 })) }), rest }, (message) => message)
      ws.handle('chat.one', { schema: { oneOf: [{ type: 'object', properties: { a: { type: 'number' } }, required: ['a'], additionalProperties: false }, { type: 'object', properties: { b: true } }] }, rest }, (message) => message)
      ws.handle('chat.list', { schema: Type.Object({ list: Type.Array(Type.Object({ a: Type.Number() }), { uniqueItems: true }) }), rest }, (message) => message)
      ws.handle('chat.not', { schema: { type: 'object', properties: { a: true }, not: { type: 'object', properties: { x: false } } }, rest }, (message) => message)
    }
  })
  const client = await server.connect('alice')
  const cases: Array<[type: string, fields: object, handled: object | null]> = [
    ['chat.some', { a: { b: 1, c: 1 } }, { a: { b: 1 } }],
    ['chat.some', { a: { c: 1 } }, null],
    ['chat.one', { a: 1, c: 1 }, {}],
    ['chat.list', { list: [{ a: 1, c: 1 }, { a: 2, c: 1 }] }, { list: [{ a: 1 }, { a: 2 }] }],
    ['chat.list', { list: [{ a: 1, c: 1 }, { a: 1, c: 2 }] }, null],
    ['chat.not', { a: 1, x: 1 }, null]
  ]
  for (const [type, fields, handled] of cases) {
    const name = `${type} ${JSON.stringify(fields)}`
    const [frame, walker] = [await client.request({ type, ...fields }), await client.request({ type: 'walker', walker: type, context: fields })]
    const called = await server.rest('POST', `/ws/call/${type}`, { as: 'alice', body: fields })
    if (handled === null) t.same([frame.code, walker.code, called.status], ['invalid_message', 'invalid_message', 400], name)
    else t.same([frame.data, walker.data, called.body], [{ ...handled, type, id: frame.id }, { ...handled, type }, { data: { ...handled, type } }], name)
  }
})
