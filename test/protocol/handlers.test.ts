import { FormatRegistry, Type, type TSchema } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.js'

const schema = Type.Object({})

/** An app without limits of errors, and its manager. */
async function start (t: Test) {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000 } })
  return { server, ws: server.app.ws }
}

t.test('a handler\'s message and reply have the types of its schemas', async (t) => {
  const { server, ws } = await start(t)
  ws.handle('chat.send', {
    schema: Type.Object({ text: Type.String(), priority: Type.Optional(Type.Integer()) }),
    reply: Type.Object({ length: Type.Number() }),
    authorize: (context, message) => message.text satisfies string !== 'secret' && context.user?.id satisfies string | undefined !== 'mallory'
  }, (message, { client, user }) => {
    message.priority satisfies number | undefined
    message.id satisfies string | number | undefined
    message.type satisfies string
    client?.id satisfies string | undefined
    user?.claims satisfies object | undefined
    // @ts-expect-error The schema has no such field.
    message.txet satisfies undefined
    // @ts-expect-error It is a string.
    message.text satisfies number
    return { length: message.text.length }
  })
  const body = Type.Union([Type.Object({ kind: Type.Literal('a'), a: Type.Number() }), Type.Object({ kind: Type.Literal('b'), b: Type.String() })])
  ws.handle('shape.union', { schema: body }, (message) => {
    if (message.kind === 'a') return message.a satisfies number
    return message.b satisfies string
  })
  // @ts-expect-error The reply is a number.
  ws.handle('wrong.reply', { schema, reply: Type.Number() }, () => 'text')
  // @ts-expect-error A handler has a schema.
  t.throws(() => ws.handle('without.schema', {}, () => {}))
  // @ts-expect-error There is no such event.
  t.throws(() => ws.on('no_such_event', () => {}), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'chat.send', text: 'four' }), { data: { length: 4 } })
  t.match(await client.request({ type: 'shape.union', kind: 'b', b: 'x' }), { data: 'x' })
  t.match(await client.request({ type: 'shape.union', kind: 'b', a: 1 }), { code: 'invalid_message' })
  t.match(await client.request({ type: 'without.schema' }), { code: 'unknown_type' })
})

t.test('the JSON of a reply is checked and sent, by frame, by walker and by REST', async (t) => {
  const dated = Type.Object({ at: Type.String(), note: Type.Optional(Type.String()) })
  let reads = 0
  const changing = { toJSON: () => ({ at: reads++ === 0 ? 'good' : 1 }) }
  const answers: Array<[reply: TSchema, answer: unknown, sent: unknown]> = [
    [dated, { at: new Date(0), note: undefined }, { at: new Date(0).toISOString() }],
    [Type.Object({ n: Type.Null(), list: Type.Array(Type.Null()) }), { n: NaN, list: [undefined, Symbol('x')] }, { n: null, list: [null, null] }],
    [Type.Null(), undefined, null],
    [Type.Null(), () => {}, 'internal'],
    [dated, changing, { at: 'good' }],
    [dated, { at: 'x', toJSON: () => ({ at: 1 }) }, 'internal'],
    [Type.Number(), NaN, 'internal'],
    [Type.Object({ map: Type.Object({ a: Type.Number() }) }), { map: new Map([['a', 1]]) }, 'internal']
  ]
  const server = await startApp(t, {}, {
    after: ({ ws }) => answers.forEach(([reply, answer], n) => {
      ws.handle(`json.now${n}`, { schema, reply, rest: true }, () => answer)
      ws.handle(`json.early${n}`, { schema, reply }, async (_message, context) => context.reply(answer))
    })
  })
  const client = await server.connect('alice')
  for (const [n, [, , sent]] of answers.entries()) {
    const wanted = sent === 'internal' ? { code: 'internal' } : { type: 'reply', data: sent }
    for (const frame of [{ type: `json.now${n}` }, { type: `json.early${n}` }, { type: 'walker', walker: `json.now${n}` }]) {
      reads = 0
      t.match(await client.request(frame), wanted, JSON.stringify(frame))
    }
    reads = 0
    const { status, body } = await server.rest('POST', `/ws/call/json.now${n}`, { as: 'alice', body: {} })
    t.match({ status, body }, sent === 'internal' ? { status: 500, body: { code: 'WSM_ERR_INTERNAL' } } : { status: 200, body: { data: sent } }, `json.now${n}`)
  }
})

t.test('a handler\'s type must be namespaced, and cannot be one of the protocol', async (t) => {
  const { server, ws } = await start(t)
  const client = await server.connect('alice')
  const refused = [
    'ping', 'connection', 'error', 'walker', 'reconnect', 'chat', '', '.', 'chat.', '.send', 'chat..send', 'chat send', '1chat.send',
    'chat.1', 'chät.send', 'a.b.c.d.e.f', 'chat.send\n', `chat.${'x'.repeat(65)}`, `${'x'.repeat(65)}.send`, '__proto__.x', 'chat/../x.y'
  ]
  for (const type of refused) {
    t.throws(() => ws.handle(type, { schema }, () => {}), { code: 'WSM_ERR_INVALID_HANDLER', message: /namespaced/ }, JSON.stringify(type))
  }
  t.match(await client.request({ type: 'chat' }), { code: 'unknown_type' })
  t.match(await client.request({ type: 'ping' }), { type: 'reply', data: { server_time: Number } }, 'built-in frames are as they were')
  for (const type of ['chat.send', 'Chat.Send', 'a.b', 'a-1.b_2', 'a.b.c.d.e', 'a._b', `${'x'.repeat(64)}.${'y'.repeat(64)}`]) {
    ws.handle(type, { schema }, ({ type }) => type)
    t.match(await client.request({ type }), { data: type })
  }
})

t.test('a second handler of a type is refused, and the first one stays', async (t) => {
  const { server, ws } = await start(t)
  ws.handle('chat.send', { schema }, () => 'first')
  t.throws(() => ws.handle('chat.send', { schema }, () => 'second'), { code: 'WSM_ERR_INVALID_HANDLER', message: /"chat.send".*already/ })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'chat.send' }), { data: 'first' })
})

t.test('a handler whose schema cannot be compiled is refused and not registered', async (t) => {
  const mixed = Type.Object({ x: { type: 'string' } as unknown as TSchema })
  const dangling = Type.Object({ x: Type.Ref('nowhere') })
  const refusal = { code: 'WSM_ERR_INVALID_HANDLER', message: /"bad.schema".*cannot be compiled/ }
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      for (const schema of [mixed, dangling]) {
        t.throws(() => ws.handle('bad.schema', { schema }, () => {}), refusal)
        t.throws(() => ws.handle('bad.schema', { schema, rest: true }, () => {}), refusal)
        t.throws(() => ws.handle('bad.schema', { schema: Type.Object({}), reply: schema, rest: true }, () => {}), refusal)
      }
    }
  })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'bad.schema' }), { code: 'unknown_type' })
  t.match(await client.request({ type: 'walker', walker: 'bad.schema' }), { code: 'unknown_type' })
  t.equal((await server.rest('POST', '/ws/call/bad.schema', { body: {} })).status, 404)
  server.app.ws.handle('bad.schema', { schema }, () => 'good')
  t.match(await client.request({ type: 'bad.schema' }), { data: 'good' })
})

t.test('a handler whose schema has an unknown format is refused at registration', async (t) => {
  const { server, ws } = await start(t)
  const dated = Type.Object({ list: Type.Array(Type.Union([Type.String({ format: 'day' }), Type.Null()])) })
  t.throws(() => ws.handle('day.plan', { schema: dated }, () => {}), { code: 'WSM_ERR_INVALID_HANDLER', message: /"day.plan".*"day".*FormatRegistry/ })
  t.throws(() => ws.handle('day.plan', { schema, reply: dated }, () => ({ list: [] })), { code: 'WSM_ERR_INVALID_HANDLER' })
  t.throws(() => ws.declare('day.plan', dated), { code: 'WSM_ERR_INVALID_HANDLER' })
  FormatRegistry.Set('day', (value) => /^\d{4}-\d\d-\d\d$/.test(value))
  t.teardown(() => FormatRegistry.Delete('day'))
  ws.handle('day.plan', { schema: dated }, ({ list }) => list.length)
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'day.plan', list: ['2026-11-21', null] }), { data: 2 })
  t.match(await client.request({ type: 'day.plan', list: ['tomorrow'] }), { code: 'invalid_message' })
})

t.test('a closed schema accepts id and type, and no other unnamed field', async (t) => {
  const { server, ws } = await start(t)
  const closed = { additionalProperties: false }
  ws.handle('closed.object', { schema: Type.Object({ n: Type.Number() }, closed) }, ({ n }) => n)
  ws.handle('closed.union', {
    schema: Type.Union([
      Type.Object({ n: Type.Number() }, closed),
      Type.Union([Type.Object({ text: Type.String() }, closed), Type.Object({ flag: Type.Boolean() }, closed)])
    ])
  }, (message) => Object.keys(message).length)
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'closed.object', n: 1 }), { type: 'reply', data: 1 })
  t.match(await client.request({ action: 'closed.object', n: 2 }), { type: 'reply', data: 2 })
  t.match(await client.request({ type: 'closed.object', action: 'ping', n: 3 }), { code: 'invalid_message', details: [{ path: '/action' }] })
  t.match(await client.request({ type: 'closed.object', n: 1, m: 2 }), { code: 'invalid_message', details: [{ path: '/m' }] })
  for (const fields of [{ n: 1 }, { text: 'x' }, { flag: true }]) {
    t.match(await client.request({ type: 'closed.union', ...fields }), { type: 'reply' })
    t.match(await client.request({ action: 'closed.union', ...fields }), { type: 'reply' })
  }
  t.match(await client.request({ type: 'closed.union', n: 1, text: 'x' }), { code: 'invalid_message' })
})

t.test('a handler\'s schema may define type, action and id itself', async (t) => {
  const { server, ws } = await start(t)
  const own = Type.Object({ type: Type.Literal('own.envelope'), action: Type.Literal('delete'), id: Type.Integer({ minimum: 10 }) }, { additionalProperties: false })
  ws.handle('own.envelope', { schema: own }, ({ action, id }) => [action, id])
  const client = await server.connect('alice')
  client.send({ type: 'own.envelope', action: 'delete', id: 10 })
  t.match(await client.next('reply'), { id: 10, data: ['delete', 10] })
  client.send({ type: 'own.envelope', action: 'delete', id: 9 })
  t.match(await client.next('error'), { id: 9, code: 'invalid_message', details: [{ path: '/id' }] })
  client.send({ type: 'own.envelope', action: 'keep', id: 11 })
  t.match(await client.next('error'), { id: 11, code: 'invalid_message', details: [{ path: '/action' }] })
})

t.test('a handler\'s schema of another kind than object or union is used as it is', async (t) => {
  const { server, ws } = await start(t)
  ws.handle('kind.unknown', { schema: Type.Unknown() }, () => 'unknown')
  ws.handle('kind.record', { schema: Type.Record(Type.String(), Type.String()) }, ({ text }) => text)
  ws.handle('kind.intersect', {
    schema: Type.Intersect([Type.Object({ a: Type.Number() }), Type.Object({ b: Type.Number() })])
  }, ({ a, b }) => a + b)
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'kind.unknown', x: [1] }), { data: 'unknown' })
  t.match(await client.request({ type: 'kind.record', text: 'x' }), { data: 'x' })
  t.match(await client.request({ type: 'kind.record', text: 1 }), { code: 'invalid_message' })
  t.match(await client.request({ type: 'kind.intersect', a: 1, b: 2 }), { data: 3 })
  t.match(await client.request({ type: 'kind.intersect', a: 1 }), { code: 'invalid_message' })
})

t.test('a handler that is registered while sockets are open serves them', async (t) => {
  const { server, ws } = await start(t)
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'late.handler' }), { code: 'unknown_type', message: /"late.handler"/ })
  ws.handle('late.handler', { schema }, () => 'here')
  t.match(await client.request({ type: 'late.handler' }), { data: 'here' })
})

t.test('a handler with rest is refused and not registered once the app is ready', async (t) => {
  const { server, ws } = await start(t)
  t.throws(() => ws.handle('late.rest', { schema, rest: true }, () => {}), { code: 'WSM_ERR_INVALID_HANDLER', message: /"late.rest"/ })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'late.rest' }), { code: 'unknown_type' })
  t.match(await client.request({ type: 'walker', walker: 'late.rest' }), { code: 'unknown_type' })
  ws.handle('late.rest', { schema }, () => 'without REST')
  t.match(await client.request({ type: 'late.rest' }), { data: 'without REST' })
})

t.test('a handler with rest is refused and not registered where the app already has its route', async (t) => {
  const server = await startApp(t, {}, {
    after: (app) => {
      app.post('/ws/call/taken.route', async () => 'the app\'s own')
      t.throws(() => app.ws.handle('taken.route', { schema, rest: true }, () => {}), { code: 'WSM_ERR_INVALID_HANDLER', message: /"taken.route"/ })
    }
  })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'taken.route' }), { code: 'unknown_type' })
})
