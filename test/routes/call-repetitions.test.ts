import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { MemoryCallStore } from '../../lib/engine/memory/calls.js'
import { AppError, type HandlerContext, type WsPluginOptions } from '../../lib/index.js'
import { RepeatableCalls } from '../../lib/protocol/repeatable-calls.js'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { until } from '../fixtures/until.js'

const rest = true
const schema = Type.Object({ n: Type.Optional(Type.Number()) })

/** An app whose call `work.do` counts its runs. */
async function serve (t: Test, handler: (run: number, context: HandlerContext, n: number) => unknown, options: WsPluginOptions = {}) {
  const runs = { count: 0 }
  let isAllowed = false
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000 }, ...options }, {
    after: ({ ws }) => {
      ws.handle('work.do', { schema, rest }, ({ n = 0 }, context) => handler(++runs.count, context as HandlerContext, n))
      ws.handle('work.allowed', { schema, rest, authorize: () => isAllowed }, () => 'done')
    }
  })
  const optionsOf = (key: string | null, body: object, as: string | null = 'alice') => ({ as, body, ...key !== null && { headers: { 'idempotency-key': key } } })
  const call = (key: string | null, body: object = {}, { as, type = 'work.do' }: { as?: string | null, type?: string } = {}) =>
    server.rest('POST', `/ws/call/${type}`, optionsOf(key, body, as))
  /** A call that the test can give up. */
  const begin = (key: string) => server.begin('POST', '/ws/call/work.do', optionsOf(key, {}))
  return { server, runs, call, begin, allow: () => { isAllowed = true } }
}

/** The calls with a key that come from now on. */
function beginnings (t: Test): unknown[] {
  const begun: unknown[] = []
  const { begin: original } = RepeatableCalls.prototype
  t.intercept(RepeatableCalls.prototype, 'begin', {
    value (this: RepeatableCalls, ...args: Parameters<typeof original>) {
      begun.push(args)
      return original.apply(this, args)
    }
  })
  return begun
}

t.test('a repeated call by REST gets the first one\'s reply, and by socket, too', async (t) => {
  const { server, runs, call } = await serve(t, (run) => ({ run }))
  for (let n = 0; n < 2; n++) t.match(await call('k', { n: 1 }), { status: 200, body: { data: { run: 1 } } })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'work.do', n: 1, idempotency_key: 'k' }), { type: 'reply', data: { run: 1 } })
  t.match(await client.request({ type: 'work.do', idempotency_key: 'socket' }), { data: { run: 2 } })
  t.match(await call('socket'), { body: { data: { run: 2 } } })
  t.match(await call('k', { n: 1 }, { as: 'bob' }), { body: { data: { run: 3 } } })
  t.match(await call(null), { body: { data: { run: 4 } } })
  t.equal(runs.count, 4)
})

t.test('errors are remembered with status and details, and logged once', async (t) => {
  const { server, runs, call } = await serve(t, (_run, _context, n) => {
    if (n === 0) throw new AppError('NO_CREDIT', 'None left', { statusCode: 402, details: { left: 0 } })
    throw new Error('hunter2')
  })
  for (const [n, status] of [402, 500].entries()) {
    const first = await call(`k${n}`, { n })
    t.equal(first.status, status)
    t.strictSame((await call(`k${n}`, { n })).body, first.body)
  }
  t.equal(runs.count, 2)
  t.equal(server.logs.filter(({ msg }) => msg === 'a handler failed').length, 1)
})

t.test('bad keys and the key of another call are refused, and a refused call does not use up its key', async (t) => {
  const { call, runs, allow } = await serve(t, (run) => run)
  const refused = { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/idempotency_key' }] } }
  for (const key of ['', 'a b', 'x'.repeat(129)]) t.match(await call(key), refused, key)
  t.match(await call('k', { n: 'x' }), { status: 400 })
  t.match(await call('k', { n: 1 }), { status: 200 })
  t.match(await call('k', { n: 2 }), refused)
  t.match(await call('a', {}, { type: 'work.allowed' }), { status: 403 })
  allow()
  t.match(await call('a', {}, { type: 'work.allowed' }), { status: 200 })
  t.equal(runs.count, 1)
})

t.test('keys of anonymous callers are ignored', async (t) => {
  const { call } = await serve(t, (run) => run, { auth: { anonymous: true } })
  for (const data of [1, 2]) t.match(await call('a b', {}, { as: null }), { status: 200, body: { data } })
})

t.test('a repetition waits for the call that runs, also when its caller has hung up, and an early reply is its outcome', async (t) => {
  const gate = new Gate()
  const begun = beginnings(t)
  const { runs, call, begin, server } = await serve(t, async (run, { reply }, n) => {
    if (n === 1) reply('early')
    await gate.wait()
    return { run }
  })
  const first = begin('k')
  await gate.reached
  first.hangUp()
  await t.rejects(first.answer)
  const second = call('k')
  await until(() => begun.length === 2)
  for (let n = 0; n < 2; n++) t.match(await call('early', { n: 1 }), { body: { data: 'early' } })
  gate.open()
  t.match(await second, { body: { data: { run: 1 } } })
  t.equal(runs.count, 2)
  t.notOk(server.logs.some(({ level }) => level >= 50), 'nothing failed')
})

t.test('the waiting of a repetition ends when its caller hangs up, and with 401 when its token is revoked', async (t) => {
  const gate = new Gate()
  const begun = beginnings(t)
  const { begin, server } = await serve(t, () => gate.wait())
  const client = await server.connect('alice')
  const first = client.request({ type: 'work.do', idempotency_key: 'k' })
  await gate.reached
  const gone = begin('k')
  await until(() => begun.length === 2)
  gone.hangUp()
  await t.rejects(gone.answer)
  const authorization = `Bearer ${server.token('alice', { jti: 'revoked' })}`
  const revoked = server.rest('POST', '/ws/call/work.do', { as: null, body: {}, headers: { 'idempotency-key': 'k', authorization } })
  await until(() => begun.length === 3)
  await server.app.ws.revoke({ jti: 'revoked' })
  t.match(await revoked, { status: 401 })
  gate.open()
  t.match(await first, { data: null })
})

t.test('a repetition that waits while the server closes is answered with 503, and the call whose caller has hung up logs nothing', async (t) => {
  const begun = beginnings(t)
  const started = new Gate()
  const { begin, call, server } = await serve(t, () => {
    started.wait()
    return new Promise(() => {})
  }, { closeTimeoutMs: 100 })
  const client = await server.connect('alice')
  client.send({ type: 'work.do', idempotency_key: 'k' })
  await started.reached
  const [waits, gone] = [call('k'), begin('k')]
  await until(() => begun.length === 3)
  gone.hangUp()
  await t.rejects(gone.answer)
  await server.app.close()
  t.match(await waits, { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  t.notOk(server.logs.some(({ level }) => level >= 50), 'nothing failed')
})

t.test('a call whose caller has hung up before it could start is not run, and can be repeated', async (t) => {
  const gate = new Gate()
  const { begin: original } = MemoryCallStore.prototype
  t.intercept(MemoryCallStore.prototype, 'begin', {
    async value (this: MemoryCallStore, ...args: Parameters<typeof original>) {
      const known = original.apply(this, args)
      if (known.state === 'new') await gate.wait()
      return known
    }
  })
  const closed = new Gate()
  const { call, begin, server, runs } = await serve(t, (run) => run)
  server.app.server.once('request', (_request, response) => { response.once('close', () => closed.open()) })
  const first = begin('k')
  await gate.reached
  first.hangUp()
  await t.rejects(first.answer)
  await closed.opened
  const second = call('k')
  gate.open()
  t.match(await second, { status: 200, body: { data: 1 } })
  t.equal(runs.count, 1)
})
