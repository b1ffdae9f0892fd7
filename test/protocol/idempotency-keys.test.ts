import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { EngineFactory, HandlerContext, WsManager, WsPluginOptions } from '../../lib/index.js'
import { AppError, errors } from '../../lib/index.js'
import type { CallStore, KnownCall } from '../../lib/engine/engine.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import { startApp } from '../fixtures/app.js'
import type { Frame } from '../fixtures/client.js'
import { Gate } from '../fixtures/gate.js'
import { until } from '../fixtures/until.js'

const open = Type.Object({})
const unknown = { type: 'error', code: 'outcome_unknown' }

/** An app whose handler `work.do` counts its runs and is given by the test. */
async function serve (t: Test, handler: (run: number, context: HandlerContext, message: Frame) => unknown, options: WsPluginOptions = {}, more: (ws: WsManager) => void = () => {}) {
  const runs = { count: 0 }
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000 }, authorizeSubscribe: () => true, ...options }, {
    after: ({ ws }) => {
      ws.handle('work.do', { schema: Type.Object({ n: Type.Optional(Type.Number()) }) }, (message, context) => handler(++runs.count, context as HandlerContext, message as Frame))
      more(ws)
    }
  })
  return { server, runs, ws: server.app.ws }
}

/** The frame of a call. */
const work = (key: unknown = 'k', fields: object = {}) => ({ type: 'work.do', idempotency_key: key, ...fields })

/** An engine in memory whose calls a test holds up or answers as it likes. */
function engineWith (calls: (own: CallStore) => CallStore): EngineFactory {
  return async ({ log, ...context }) => {
    const engine = new MemoryEngine(context)
    const own = engine.calls
    return Object.defineProperty(engine, 'calls', { value: { ...calls(own), close: () => own.close() } })
  }
}

/** As a store over a network. */
const late = (own: CallStore): CallStore => ({ begin: async (...call) => own.begin(...call), finish: (...end) => own.finish(...end) })

t.test('a repeated call gets the first one\'s reply under its own id, on any socket of the user, and runs once', async (t) => {
  const { server, runs } = await serve(t, (run) => ({ run }))
  const [alice, second, bob] = await Promise.all([server.connect('alice'), server.connect('alice'), server.connect('bob')])
  for (const client of [alice, alice, second]) t.match(await client.request(work()), { type: 'reply', data: { run: 1 } })
  t.match(await bob.request(work()), { type: 'reply', data: { run: 2 } }, 'another user\'s key is another one')
  t.match(await alice.request(work('other')), { data: { run: 3 } })
  t.match(await alice.request({ type: 'work.do' }), { data: { run: 4 } }, 'without a key each call runs')
  t.equal(runs.count, 4)
})

t.test('the handler and the listeners do not see the key, and a closed schema accepts the frame', async (t) => {
  const seen: object[] = []
  const { server, ws } = await serve(t, () => null, {}, (ws) => {
    ws.handle('work.open', { schema: Type.Object({}, { additionalProperties: true }) }, ({ id, ...message }) => message)
    ws.handle('work.closed', { schema: Type.Object({}, { additionalProperties: false }) }, () => 'closed')
  })
  ws.on('message_received', ({ message }) => { seen.push(message) })
  const client = await server.connect('alice')
  t.strictSame((await client.request({ type: 'work.open', idempotency_key: 'a', text: 'x' })).data, { type: 'work.open', text: 'x' })
  t.match(await client.request({ type: 'work.closed', idempotency_key: 'b' }), { data: 'closed' })
  t.notOk(seen.some((message) => 'idempotency_key' in message))
})

t.test('errors are remembered as they were, and logged and told once', async (t) => {
  const { server, runs } = await serve(t, (_run, _context, { n }) => {
    if (n === 1) throw new AppError('NO_CREDIT', 'None left', { statusCode: 402, details: { left: 0 } })
    if (n === 2) throw new errors.NotFoundError('No such room')
    throw new Error('hunter2')
  })
  const client = await server.connect('alice')
  const expected = [{ code: 'NO_CREDIT', message: 'None left', details: { left: 0 }, app: true }, { code: 'not_found', message: 'No such room' }, { code: 'internal' }]
  for (const [n, error] of expected.entries()) {
    const { id, ...first } = await client.request(work(`k${n}`, { n: n + 1 }))
    t.match(first, { type: 'error', ...error })
    const { id: _, ...again } = await client.request(work(`k${n}`, { n: n + 1 }))
    t.strictSame(again, first)
  }
  t.equal(runs.count, 3)
  t.equal(server.logs.filter(({ msg }) => msg === 'a handler failed').length, 1)
})

t.test('a call without an id is remembered, too, and an early reply counts', async (t) => {
  const { server, runs } = await serve(t, async (run, { reply }) => {
    reply({ early: run })
    await null
    throw new Error('later')
  })
  const client = await server.connect('alice')
  client.send(work())
  t.match(await client.request(work()), { type: 'reply', data: { early: 1 } })
  client.send(work())
  await client.settled()
  t.equal(runs.count, 1)
})

t.test('a key of another call is refused, and so is a bad one', async (t) => {
  const { server, runs } = await serve(t, (run) => run)
  const client = await server.connect('alice')
  await client.request(work('k', { n: 1 }))
  const refused = { type: 'error', code: 'invalid_message', details: [{ path: '/idempotency_key' }] }
  t.match(await client.request(work('k', { n: 2 })), refused)
  t.match(await client.request({ type: 'walker', walker: 'work.do', context: { n: 1 }, idempotency_key: 'k' }), refused)
  for (const key of ['', 'a b', 7, null]) t.match(await client.request(work(key, { n: 1 })), refused)
  t.equal(runs.count, 1)
  t.match(await client.request({ type: 'ping', idempotency_key: 'k' }), { code: 'invalid_message' }, 'no call')
})

t.test('a walker frame takes a key', async (t) => {
  const { server, runs } = await serve(t, (run) => run)
  const client = await server.connect('alice')
  const frame = { type: 'walker', walker: 'work.do', idempotency_key: 'k' }
  for (let n = 0; n < 2; n++) t.match(await client.request(frame), { type: 'reply', data: 1 })
  client.send({ ...frame, response: true, idempotency_key: 'l' })
  t.match(await client.next('reply'), { data: 2 })
  client.send({ ...frame, response: true, idempotency_key: 'l' })
  t.match(await client.next('reply'), { data: 2 })
  t.equal(runs.count, 2)
})

t.test('keys of anonymous sockets are ignored', async (t) => {
  const { server, runs } = await serve(t, (run) => run, { auth: { anonymous: true } })
  const nobody = await server.connect('', { token: null })
  for (const data of [1, 2]) t.match(await nobody.request(work()), { data })
  t.match(await nobody.request(work('a b')), { data: 3 })
  t.equal(runs.count, 3)
})

t.test('a call that is refused before its handler runs does not use up its key', async (t) => {
  let isAllowed = false
  const { server } = await serve(t, (run) => run, {}, (ws) => {
    ws.handle('work.allowed', { schema: open, authorize: () => isAllowed }, () => 'done')
    ws.handle('work.room', { schema: open, channel: 'room-*' }, () => 'done')
    ws.handle('work.rare', { schema: open, limits: { messagesPerSecond: 1, burst: 1 } }, () => 'done')
  })
  const client = await server.connect('alice')
  t.match(await client.request(work('a', { n: 'x' })), { code: 'invalid_message' })
  t.match(await client.request(work('a', { n: 1 })), { data: 1 })
  t.match(await client.request({ type: 'work.allowed', idempotency_key: 'b' }), { code: 'forbidden' })
  isAllowed = true
  t.match(await client.request({ type: 'work.allowed', idempotency_key: 'b' }), { data: 'done' })
  t.match(await client.request({ type: 'work.room', channel: 'room-7', idempotency_key: 'c' }), { code: 'forbidden' })
  await client.request({ type: 'subscribe', channel_ids: ['room-7'] })
  t.match(await client.request({ type: 'work.room', channel: 'room-7', idempotency_key: 'c' }), { data: 'done' })
  await client.request({ type: 'unsubscribe', channel_ids: ['room-7'] })
  t.match(await client.request({ type: 'work.room', channel: 'room-7', idempotency_key: 'c' }), { data: 'done' }, 'it was a member when it was run')
  t.match(await client.request({ type: 'work.rare', idempotency_key: 'd' }), { data: 'done' })
  t.match(await client.request({ type: 'work.rare', idempotency_key: 'e' }), { code: 'rate_limited' })
  t.match(await client.request({ type: 'walker', walker: 'work.rare', idempotency_key: 'f' }), { code: 'rate_limited' })
  t.match(await client.request({ type: 'walker', walker: 'work.none', idempotency_key: 'f' }), { code: 'unknown_type' })
})

t.test('a reply that does not match its schema is remembered as internal', async (t) => {
  let runs = 0
  const { server } = await serve(t, () => null, {}, (ws) => {
    ws.handle('work.wrong', { schema: open, reply: Type.Number() }, () => { runs++; return 'text' as unknown as number })
    ws.handle('work.right', { schema: open, reply: Type.Number() }, () => { runs++; return 7 })
  })
  const client = await server.connect('alice')
  for (let n = 0; n < 2; n++) t.match(await client.request({ type: 'work.wrong', idempotency_key: 'a' }), { code: 'internal' })
  client.send({ type: 'work.right', idempotency_key: 'b' })
  client.send({ type: 'work.right', idempotency_key: 'b' })
  t.match(await client.request({ type: 'work.right', idempotency_key: 'b' }), { data: 7 })
  t.equal(runs, 2)
})

for (const [name, options] of [['at once', {}], ['later', { engine: engineWith(late) }]] as const) {
  t.test(`with a store that answers ${name} a repetition waits for the call that runs, also when its socket has ended`, async (t) => {
    const gate = new Gate()
    const { server, runs } = await serve(t, async (run) => {
      await gate.wait()
      return { run }
    }, options)
    const first = await server.connect('alice')
    first.send(work())
    await gate.reached
    await first.close()
    const second = await server.connect('alice')
    const answers = [second.request(work()), second.request(work())]
    await second.settled()
    gate.open()
    for (const answer of answers) t.match(await answer, { type: 'reply', data: { run: 1 } })
    t.equal(runs.count, 1)
  })

  t.test(`with a store that answers ${name} a switch of users loses no outcome, and the new user gets none of it`, async (t) => {
    const gate = new Gate()
    const { server, runs } = await serve(t, async (run) => {
      await gate.wait()
      return { run }
    }, options)
    const client = await server.connect('alice')
    const [first, repeated] = [client.request(work()), client.request(work())]
    await gate.reached
    await client.settled()
    t.match(await client.request({ type: 'change_user', token: server.token('bob') }), { type: 'reply' })
    for (const answer of [first, repeated]) t.match(await answer, { code: 'identity_changed' })
    gate.open()
    t.match(await client.request(work()), { data: { run: 2 } })
    t.equal(client.received.filter(({ data }) => data?.run === 1).length, 0)
    const alice = await server.connect('alice')
    t.match(await alice.request(work()), { data: { run: 1 } })
    t.equal(runs.count, 2)
  })
}

t.test('a handler that stops by its signal has an unknown outcome, and an app\'s own error is one', async (t) => {
  const { server, runs } = await serve(t, (_run, { signal }, { n }) => new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(n === 1 ? new AppError('STOPPED', 'Stopped') : signal.reason))
  }))
  const first = await server.connect('alice')
  first.send(work('a'))
  first.send(work('b', { n: 1 }))
  await first.settled()
  await first.close()
  const second = await server.connect('alice')
  t.match(await second.request(work('a')), unknown)
  t.match(await second.request(work('b', { n: 1 })), { code: 'STOPPED', app: true })
  t.equal(runs.count, 2)
})

t.test('frames of a socket start in the order of their arrival, whether they have a key or not, and wait for no result', async (t) => {
  const started: number[] = []
  const delays: Array<() => void> = []
  const gate = new Gate()
  const { server } = await serve(t, async (_run, _context, { n }) => {
    started.push(n)
    await gate.wait()
    return n
  }, {
    // What was asked last is answered first.
    engine: engineWith((own) => ({
      begin: (...call) => new Promise((resolve) => {
        const known = own.begin(...call)
        delays.unshift(() => resolve(known))
        setImmediate(() => delays.shift()!())
      }),
      finish: (...end) => own.finish(...end)
    }))
  })
  const client = await server.connect('alice')
  const answers = Array.from({ length: 40 }, (_, n) => client.request(n % 3 === 2 ? { type: 'work.do', n } : work(`k${n}`, { n })))
  await until(() => started.length === 40)
  t.strictSame(started, Array.from({ length: 40 }, (_, n) => n))
  gate.open()
  for (const [n, answer] of answers.entries()) t.match(await answer, { data: n })
})

t.test('a call whose socket has ended before it could start is not run, and can be repeated', async (t) => {
  const gate = new Gate()
  let isFirst = true
  const { server, runs } = await serve(t, (run) => run, {
    engine: engineWith((own) => ({
      begin: async (...call) => {
        const known = await own.begin(...call)
        if (isFirst) {
          isFirst = false
          await gate.wait()
        }
        return known
      },
      finish: (...end) => own.finish(...end)
    }))
  })
  const first = await server.connect('alice')
  first.send(work())
  await gate.reached
  await first.close()
  await until(() => server.app.ws.getConnectionCount() === 0)
  const second = await server.connect('alice')
  const answer = second.request(work())
  await second.settled()
  gate.open()
  t.match(await answer, { data: 1 })
  t.equal(runs.count, 1)
  t.notOk(server.logs.some(({ level }) => level >= 50), 'nothing failed')
})

t.test('an outcome that comes after the socket has switched users is not sent', async (t) => {
  const [running, asked] = [new Gate(), new Gate()]
  const { server } = await serve(t, async (run, _context, message) => {
    await running.wait()
    if (message.n === 1) throw new errors.NotFoundError('No such room')
    return run
  }, {
    engine: engineWith((own) => ({
      begin: async (...call) => {
        const known = own.begin(...call) as KnownCall
        if (known.state === 'ended') await asked.wait()
        return known
      },
      finish: (...end) => own.finish(...end)
    }))
  })
  const [first, second] = [await server.connect('alice'), await server.connect('alice')]
  const frames = [work('a'), work('b', { n: 1 })]
  const answers = frames.map((frame) => first.request(frame))
  await running.reached
  await first.settled()
  const repeated = frames.map((frame) => second.request(frame))
  await second.settled()
  running.open()
  await asked.reached
  t.match(await Promise.all(answers), [{ data: 1 }, { code: 'not_found' }])
  await second.request({ type: 'change_user', token: server.token('bob') })
  asked.open()
  t.match(await Promise.all(repeated), [{ code: 'identity_changed' }, { code: 'identity_changed' }])
  t.match(await second.request(work('a')), { data: 3 }, 'bob\'s own')
  t.equal(second.received.filter(({ type, code }) => type === 'error' && code !== 'identity_changed').length, 0)
  t.notOk(server.logs.some(({ level }) => level >= 50), 'nothing failed')
})

t.test('a failing store fails the call with a key, which is not run, and no other', async (t) => {
  const { server, runs } = await serve(t, (run) => run, {
    engine: engineWith((own) => ({ begin: async () => { throw new errors.UnavailableError('down') }, finish: (...end) => own.finish(...end) }))
  })
  const client = await server.connect('alice')
  const answers: Array<Promise<Frame>> = [work('a'), work('b'), { type: 'work.do' }].map((frame) => client.request(frame))
  t.match(await Promise.all(answers), [{ code: 'unavailable' }, { code: 'unavailable' }, { data: 1 }])
  t.equal(runs.count, 1)
})

t.test('over the bound of a user calls with a key are refused, counted, and not run; without one they are', async (t) => {
  const { server, runs, ws } = await serve(t, (run) => run, { limits: { maxRememberedBytesPerUser: 2_048 } })
  const [alice, bob] = await Promise.all([server.connect('alice'), server.connect('bob')])
  t.match(await alice.request(work('a')), { data: 1 })
  t.match(await alice.request(work('b')), { code: 'rate_limited' })
  t.match(await alice.request(work('a')), { data: 1 })
  t.match(await alice.request({ type: 'work.do' }), { data: 2 })
  t.match(await bob.request(work('b')), { data: 3 })
  t.equal(ws.getStatus().rejected.remembered_calls, 1)
  t.equal(runs.count, 3)
})

t.test('the waiting of a repetition ends with its socket', async (t) => {
  const gate = new Gate()
  const { server } = await serve(t, () => gate.wait())
  const first = await server.connect('alice')
  first.send(work())
  await gate.reached
  const second = await server.connect('alice')
  for (let n = 0; n < 50; n++) second.send(work())
  await second.settled()
  await second.close()
  gate.open()
  t.match(await first.request(work()), { data: null })
  t.notOk(server.logs.some(({ level }) => level >= 50), 'nothing failed')
})
