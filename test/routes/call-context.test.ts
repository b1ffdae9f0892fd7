import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { HandlerContext } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'

const schema = Type.Object({})

/** A call that the test can give up. */
const call = (server: TestApp, type: string) => server.begin('POST', `/ws/call/${type}`, { as: 'alice', body: {} })

t.test('a call by REST has a user and no socket', async (t) => {
  const contexts: HandlerContext[] = []
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.handle('who.am', { schema, rest: true }, (_message, context) => {
        contexts.push(context)
        context.log.info('written by a handler')
        return { client: context.client, user: context.user?.id, claims: context.user?.claims.team, aborted: context.signal.aborted }
      })
      ws.handle('use.send', { schema, rest: true }, (_message, { send }) => send({ type: 'x.y' }))
      ws.handle('use.join', { schema, rest: true }, (_message, { join }) => join('room'))
      ws.handle('use.leave', { schema, rest: true }, (_message, { leave }) => leave('room'))
    }
  })
  const token = server.token('alice', { team: 'red' })
  const { body } = await server.rest('POST', '/ws/call/who.am', { as: null, body: {}, headers: { authorization: `Bearer ${token}` } })
  t.same(body.data, { client: null, user: 'alice', claims: 'red', aborted: false })
  t.match(server.logs.find(({ msg }) => msg === 'written by a handler'), { user_id: 'alice', reqId: String })
  for (const name of ['send', 'join', 'leave']) {
    const answer = await server.rest('POST', `/ws/call/use.${name}`, { body: {} })
    t.match(answer, { status: 500, body: { code: 'WSM_ERR_INTERNAL', message: 'The server could not process this' } })
    t.match(server.logs.findLast(({ msg }) => msg === 'a handler failed'), { type: `use.${name}`, err: { code: 'WSM_ERR_NO_SOCKET', message: new RegExp(name) } })
  }
})

t.test('the AsyncLocalStorage, which slows down all promises, is off when no handler runs', async (t) => {
  const gates = [new Gate(), new Gate()]
  const disabled = t.capture(AsyncLocalStorage.prototype, 'disable', AsyncLocalStorage.prototype.disable)
  let begun = 0
  const server = await startApp(t, {}, { after: ({ ws }) => ws.handle('wait.for', { schema, rest: true }, () => gates[begun++]!.wait()) })
  const answers = gates.map(() => server.rest('POST', '/ws/call/wait.for', { as: 'alice', body: {} }))
  await Promise.all(gates.map(({ reached }) => reached))
  gates[0]!.open()
  await Promise.race(answers)
  t.equal(disabled().length, 0)
  gates[1]!.open()
  await Promise.all(answers)
  t.equal(disabled().length, 1)
})

t.test('an early reply is sent while the handler continues, and is the only one', async (t) => {
  const gate = new Gate()
  const ended = new Gate()
  const signals: AbortSignal[] = []
  const server = await startApp(t, {}, {
    // A hook such as a compressing plugin has: what is answered is not sent in the same turn.
    before: (app) => { app.addHook('onSend', async (_request, _reply, payload) => payload) },
    after: ({ ws }) => {
      ws.handle('early.wait', { schema, rest: true }, async (_message, { reply, signal }) => {
        signals.push(signal)
        reply('early')
        reply('again')
        await gate.wait()
        ended.wait()
        return 'late'
      })
      ws.handle('early.return', { schema, rest: true }, (_message, { reply }) => {
        reply({ n: 1 })
        return { n: 2 }
      })
      ws.handle('early.throw', { schema, rest: true }, (_message, { reply }) => {
        reply({ n: 3 })
        throw new Error('too late')
      })
    }
  })
  t.match(await server.rest('POST', '/ws/call/early.wait', { body: {} }), { status: 200, body: { data: 'early' } })
  gate.open()
  await ended.reached
  t.equal(signals[0]!.aborted, false, 'the caller has its answer and did not hang up')
  t.match(await server.rest('POST', '/ws/call/early.return', { body: {} }), { status: 200, body: { data: { n: 1 } } })
  t.match(await server.rest('POST', '/ws/call/early.throw', { body: {} }), { status: 200, body: { data: { n: 3 } } })
  t.same(server.logs.filter(({ level }) => level >= 40).map(({ msg, err }) => [msg, err.message]), [['a handler failed', 'too late']])
})

t.test('the signal fires when the caller hangs up, and only then', async (t) => {
  const gate = new Gate()
  const fired = new Gate()
  const signals: AbortSignal[] = []
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.handle('wait.long', { schema, rest: true }, async (_message, { signal }) => {
        signals.push(signal)
        signal.addEventListener('abort', () => fired.wait())
        await gate.wait()
      })
      ws.handle('wait.not', { schema, rest: true }, (_message, { signal }) => { signals.push(signal) })
    }
  })
  t.equal((await call(server, 'wait.not').answer).status, 200)
  const hangsUp = call(server, 'wait.long')
  await gate.reached
  t.equal(signals[1]!.aborted, false)
  hangsUp.hangUp()
  await fired.reached
  t.same(signals.map(({ aborted }) => aborted), [false, true])
  gate.open()
})

t.test('a handler whose caller hung up while a hook of the host ran finds the signal fired', async (t) => {
  const gate = new Gate()
  const handled = new Gate()
  const aborted: boolean[] = []
  const server = await startApp(t, {}, {
    before: (app) => { app.addHook('preHandler', () => gate.wait()) },
    after: ({ ws }) => ws.handle('wait.not', { schema, rest: true }, (_message, { signal }) => {
      aborted.push(signal.aborted)
      handled.wait()
    })
  })
  const arrived = once(server.app.server, 'request') as Promise<[unknown, ServerResponse]>
  const request = call(server, 'wait.not')
  const [, response] = await arrived
  await gate.reached
  const gone = once(response, 'close')
  request.hangUp()
  await gone
  gate.open()
  await handled.reached
  t.same(aborted, [true])
})
