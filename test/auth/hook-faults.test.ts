import { Type } from '@sinclair/typebox'
import t from 'tap'
import { AppError, errors } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { refusal } from '../fixtures/refusal.js'
import { until } from '../fixtures/until.js'

const schema = Type.Object({})
const FROM_START = { 'room-*': { recoverFrom: 'start' as const } }

t.test('hooks that never decide are answered with unavailable in time, and the log names the hook and the user', async (t) => {
  const never = () => new Promise<never>(() => {})
  const server = await startApp(t, {
    auth: { timeoutMs: 500 }, channels: FROM_START, authorize: never, authorizeSubscribe: never, authorizeSend: never
  }, {
    after: ({ ws }) => {
      ws.handle('ask.never', { schema, rest: true, authorize: never }, () => t.fail('it was not allowed'))
      ws.endpoint('/desk', { channels: [], authorize: never })
      ws.endpoint('/list', { channels: never, authorize: () => true })
    }
  })
  const [subscriber, sender, caller] = await Promise.all(['sue', 'sam', 'cal'].map((user) => server.connect(user)))
  const unavailable = { type: 'error', code: 'unavailable' }
  const refused = { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } }
  await Promise.all([
    subscriber!.request({ type: 'subscribe', channel_ids: ['room-1'] }).then((answer) => t.match(answer, unavailable)),
    sender!.request({ type: 'user', user_ids: ['eve'], data: {} }).then((answer) => t.match(answer, unavailable)),
    caller!.request({ type: 'ask.never' }).then((answer) => t.match(answer, unavailable)),
    server.rest('POST', '/ws/call/ask.never', { as: 'rob', body: {} }).then((answer) => t.match(answer, refused)),
    server.rest('GET', '/ws/status', { as: 'rob' }).then((answer) => t.match(answer, refused)),
    server.rest('GET', '/ws/history?topic=channel:room-1', { as: 'rob' }).then((answer) => t.match(answer, refused)),
    ...['/ws?channel_id=room-1', '/desk', '/list'].map(async (path) => {
      const answer = await refusal(server.dial('una', { path }))
      t.match(answer, { statusCode: 503, body: refused.body })
      t.notMatch(answer.body!.message, /Authentication/)
    })
  ])
  t.match(await subscriber!.request({ type: 'ping' }), { type: 'reply' }, 'frames behind it are read again')
  const lines = server.logs.filter(({ msg }) => /timed out; the action was refused/.test(msg))
  t.equal(lines.length, 8)
  for (const line of [
    { hook: 'authorizeSubscribe', channel: 'room-1', user_id: 'sue', client_id: subscriber!.id },
    { hook: 'authorizeSend', target: { kind: 'user', id: 'eve' }, user_id: 'sam', client_id: sender!.id },
    { hook: 'authorize', type: 'ask.never', user_id: 'cal', client_id: caller!.id },
    { hook: 'authorize', type: 'ask.never', user_id: 'rob', client_id: null },
    { hook: 'authorize', action: 'status', user_id: 'rob' },
    { hook: 'authorizeSubscribe', channel: 'room-1', user_id: 'rob', client_id: null },
    { hook: 'authorizeSubscribe', channel: 'room-1', user_id: 'una', client_id: null },
    { hook: 'authorize', endpoint: '/desk', user_id: 'una' }
  ]) {
    const found = lines.filter((given) => Object.entries(line).every(([name, value]) => JSON.stringify(given[name]) === JSON.stringify(value)))
    t.match(found, [{ level: 50, timeout_ms: 500 }], JSON.stringify(line))
    t.equal(found.length, 1)
  }
  t.match(server.logs.filter(({ msg }) => /the channels function of an endpoint timed out/.test(msg)), [{ endpoint: '/list', user_id: 'una', timeout_ms: 500 }])
})

t.test('upgrades whose hooks have not decided are refused at once when the server closes', async (t) => {
  const gates = { '/ws?channel_id=room-1': new Gate(), '/desk': new Gate(), '/list': new Gate() }
  const wait = async (path: keyof typeof gates) => {
    await gates[path].wait()
    return true
  }
  const server = await startApp(t, { auth: { timeoutMs: 60_000 }, authorizeSubscribe: () => wait('/ws?channel_id=room-1') }, {
    after: ({ ws }) => {
      ws.endpoint('/desk', { channels: [], authorize: () => wait('/desk') })
      ws.endpoint('/list', { channels: async () => [String(await wait('/list'))], authorize: () => true })
    }
  })
  const refused = Object.entries(gates).map(async ([path, gate]) => {
    const refusing = refusal(server.dial('una', { path }))
    await gate.reached
    return refusing
  })
  await Promise.all(Object.values(gates).map(({ reached }) => reached))
  const from = performance.now()
  await server.app.close()
  t.ok(performance.now() - from < 10_000)
  for (const answer of await Promise.all(refused)) t.match(answer, { statusCode: 503, body: { code: 'WSM_ERR_UNAVAILABLE', message: /closing/ } })
  t.strictSame(server.logs.filter(({ level }) => level >= 50), [])
})

t.test('a hook that rejects after its time-out changes nothing', async (t) => {
  let reject!: (error: Error) => void
  const server = await startApp(t, { auth: { timeoutMs: 100 }, authorizeSubscribe: () => new Promise<boolean>((_resolve, _reject) => { reject = _reject }) })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'subscribe', channel_ids: ['room'] }), { code: 'unavailable' })
  reject(new Error('too late'))
  await client.settled()
  t.notMatch(server.logs, [{ err: { message: 'too late' } }])
})

t.test('a hook that throws is logged with its arguments, even if it is called without a client', async (t) => {
  const server = await startApp(t, { channels: FROM_START, authorizeSubscribe: (_user, _channel, client) => client!.channels.length === 0 })
  t.match(await server.rest('GET', '/ws/history?topic=channel:room-1', { as: 'alice' }), { status: 503 })
  await until(() => server.logs.some(({ err }) => err?.type === 'TypeError'))
  t.match(server.logs.filter(({ err }) => err?.type === 'TypeError'), [
    { msg: 'an authorize hook failed; the action was refused', hook: 'authorizeSubscribe', channel: 'room-1', user_id: 'alice', client_id: null }
  ])
})

t.test('errors that a handler may show its caller are also allowed in a hook', async (t) => {
  let thrown: unknown
  const fail = () => { throw thrown }
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 100 }, channels: FROM_START, authorize: fail, authorizeSubscribe: fail, authorizeSend: fail }, {
    after: ({ ws }) => {
      ws.handle('ask.it', { schema, authorize: fail }, () => t.fail('it was not allowed'))
      ws.endpoint('/desk', { channels: [], authorize: fail })
    }
  })
  const client = await server.connect('alice')
  const own = { code: 'NO_CREDIT', message: 'You have no credit left', app: true, details: { left: 0 } }
  const noCredit = () => new AppError('NO_CREDIT', own.message, { statusCode: 402, details: own.details })
  const frames = [{ type: 'subscribe', channel_ids: ['room-1'] }, { type: 'user', user_ids: ['eve'], data: {} }, { type: 'ask.it' }]
  for (const frame of frames) {
    thrown = noCredit()
    t.match(await client.request(frame), { type: 'error', ...own }, frame.type)
    thrown = new errors.ForbiddenError('Members only')
    t.match(await client.request(frame), { type: 'error', code: 'forbidden', message: 'Members only' }, frame.type)
    thrown = Object.freeze(new AppError('NO_CREDIT', own.message))
    t.match(await client.request(frame), { code: 'NO_CREDIT', ...frame.channel_ids !== undefined && { details: { channel: 'room-1' } } })
  }
  for (const url of ['/ws/status', '/ws/history?topic=channel:room-1']) {
    thrown = noCredit()
    t.match(await server.rest('GET', url, { as: 'alice' }), { status: 402, body: own }, url)
    thrown = new errors.ForbiddenError('Members only')
    t.match(await server.rest('GET', url, { as: 'alice' }), { status: 403, body: { code: 'WSM_ERR_FORBIDDEN', message: 'Members only' } }, url)
  }
  for (const path of ['/ws?channel_id=room-1', '/desk']) {
    thrown = noCredit()
    t.match(await refusal(server.dial('alice', { path })), { statusCode: 402, body: own }, path)
  }
  t.notOk(server.logs.some(({ level }) => level >= 50), 'a decision is no fault')
})

t.test('a hook decides who may read a stream, and its own error text reaches a denied reader', async (t) => {
  let mayAll = false
  const server = await startApp(t, {
    channels: FROM_START, authorize: () => mayAll, authorizeSubscribe: () => { throw new AppError('NOT_A_MEMBER', 'Members only', { statusCode: 403 }) }
  })
  const read = () => server.rest('GET', '/ws/history?topic=channel:room-1', { as: 'alice' })
  t.match(await read(), { status: 403, body: { code: 'NOT_A_MEMBER', app: true } })
  mayAll = true
  t.match(await read(), { status: 200 })
})

t.test('a refreshed token loses the channels that a hook denies, and keeps those for which it only fails', async (t) => {
  let thrown: unknown = null
  const server = await startApp(t, { authorizeSubscribe: () => { if (thrown !== null) throw thrown; return true } })
  const client = await server.connect('alice')
  await client.request({ type: 'subscribe', channel_ids: ['room'] })
  const refresh = () => client.request({ type: 'auth', token: server.token('alice') })
  thrown = new AppError('BUSY', 'Later', { statusCode: 429 })
  t.match(await refresh(), { type: 'error', code: 'BUSY', app: true })
  t.match(await client.request({ type: 'connection' }), { data: { channels: ['room'] } })
  thrown = new AppError('NOT_A_MEMBER', 'Members only', { statusCode: 403 })
  t.match(await refresh(), { data: { channels: [] } })
  t.match(await client.next('unsubscribed'), { channel: 'room', reason: 'forbidden' })
})

t.test('a missing hook is logged once', async (t) => {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 100 } })
  const client = await server.connect('alice')
  for (let n = 0; n < 2; n++) {
    t.match(await client.request({ type: 'subscribe', channel_ids: ['room'] }), { code: 'forbidden' })
    t.match(await client.request({ type: 'user', user_ids: ['bob'], data: {} }), { code: 'forbidden' })
  }
  t.match(server.logs.filter(({ option }) => option !== undefined), [
    { level: 40, option: 'authorizeSubscribe', msg: 'option "authorizeSubscribe" is missing, so nobody may join a channel' },
    { level: 40, option: 'authorizeSend', msg: 'option "authorizeSend" is missing, so nobody may send user, channel or client frames' }
  ])
})
