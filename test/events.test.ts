import t, { type Test } from 'tap'
import { Type } from '@sinclair/typebox'
import type { WsEventName, WsEvents, WsPluginOptions } from '../lib/index.js'
import { startApp } from './fixtures/app.js'

/** An app that notes its events, as [name, event]. */
async function startNoting (t: Test, options: WsPluginOptions = {}) {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000 }, ...options }, {
    after: ({ ws }) => {
      ws.handle('do.work', { schema: Type.Object({ n: Type.Optional(Type.Number()) }) }, () => { noted.push(['handled', {}]) })
      ws.handle('do.break', { schema: Type.Object({}) }, () => { throw new Error('broken') })
      ws.handle('do.late', { schema: Type.Object({}) }, (_message, { reply }) => {
        reply(1)
        throw new Error('too late')
      })
    }
  })
  const noted: Array<[string, Record<string, unknown>]> = []
  const names: WsEventName[] = ['client_connected', 'client_disconnected', 'identity_changed', 'message_received', 'message_failed', 'confirmation_settled', 'task_cancelled']
  for (const name of names) server.app.ws.on(name, (event) => noted.push([name, { ...event }]))
  const gone = new Promise<WsEvents['client_disconnected']>((resolve) => { server.app.ws.on('client_disconnected', resolve) })
  const of = (name: WsEventName) => noted.filter(([noted]) => noted === name).map(([, event]) => event)
  return { server, ws: server.app.ws, noted, of, gone }
}

t.test('client_connected fires once the socket is open, and client_disconnected once when it closes', async (t) => {
  const { server, noted, gone } = await startNoting(t)
  const client = await server.connect('alice')
  t.match(noted, [['client_connected', { client: { id: client.id, user: { id: 'alice' }, channels: [], ip: '127.0.0.1' } }]])
  client.socket.close(4000, 'bye')
  t.match(await gone, { client: { id: client.id, user: { id: 'alice' } }, code: 4000, reason: 'bye' })
  t.same(noted.map(([name]) => name), ['client_connected', 'client_disconnected'])
})

t.test('client_disconnected has the code of a socket that the server cut or closed', async (t) => {
  const cut = await startNoting(t)
  ;(await cut.server.connect('alice')).socket.terminate()
  t.match(await cut.gone, { code: 1006, reason: '' })
  const kicked = await startNoting(t)
  const client = await kicked.server.connect('alice')
  await kicked.ws.disconnect(client.id, 'enough')
  t.match(await kicked.gone, { code: 4403, client: { id: client.id } })
})

t.test('a socket that never authenticated is not reported', async (t) => {
  const { server, noted, of, gone } = await startNoting(t, { auth: { firstFrame: true } })
  const silent = await server.dial('alice', { token: null }).opened()
  await silent.settled()
  await silent.close()
  const client = await server.dial('alice', { token: null }).opened()
  await client.request({ type: 'auth', token: server.token('alice') })
  const { data } = await client.next('connection')
  await client.close()
  await gone
  t.match(of('client_connected'), [{ client: { id: data.client_id, user: { id: 'alice' } } }])
  t.equal(of('client_connected').length, 1)
  t.equal(of('client_disconnected').length, 1)
  t.match(noted[0], ['message_received', { message: { type: 'ping' } }])
})

t.test('a valid frame fires message_received before its handler, an invalid one message_failed', async (t) => {
  const { server, noted, of } = await startNoting(t)
  const client = await server.connect('alice')
  await client.request({ type: 'do.work', n: 1 })
  t.match(noted.slice(1), [['message_received', { client: { id: client.id }, message: { type: 'do.work', n: 1 } }], ['handled', {}]])
  await client.request({ type: 'do.work', n: 'x' })
  await client.request({ type: 'nothing', n: 1 })
  await client.request({ type: 'do.break' })
  await client.request({ type: 'do.late' })
  client.socket.send('no JSON')
  client.socket.send('["no object"]')
  client.socket.send('{"no":"type"}')
  await client.settled()
  t.same(of('message_received').map(({ message }) => (message as { type: string }).type), ['do.work', 'do.break', 'do.late', 'ping'])
  const failed = of('message_failed')
  t.match(failed, [
    { client: { id: client.id }, error: { code: 'WSM_ERR_INVALID_MESSAGE' }, message: { type: 'do.work', n: 'x' } },
    { error: { code: 'WSM_ERR_UNKNOWN_TYPE' }, message: { type: 'nothing', n: 1 } },
    { error: { message: 'broken' }, message: { type: 'do.break' } },
    { error: { message: 'too late' }, message: { type: 'do.late' } },
    { error: { code: 'WSM_ERR_BAD_JSON' } },
    { error: { code: 'WSM_ERR_BAD_FRAME' } },
    { error: { code: 'WSM_ERR_BAD_FRAME' }, message: { no: 'type' } }
  ])
  t.equal(failed.length, 7)
  t.same(failed.slice(4, 6).map(({ message }) => message), [undefined, undefined])
})

t.test('events fire for a change of identity, a settled question and a cancelled task', async (t) => {
  const { server, ws, of } = await startNoting(t)
  const client = await server.connect('alice')
  const { task } = await ws.tasks.start({ userId: 'alice' })
  const waiting = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: task.task_id })
  const { callback_id } = await client.next('task_step_result')
  await client.request({ type: 'confirm', callback_id, proceed: true })
  await waiting
  t.match(of('confirmation_settled'), [{ confirmation: { callback_id, status: 'confirmed', answered_by: { user_id: 'alice', client_id: client.id } } }])
  await ws.tasks.cancel(task.task_id)
  await ws.tasks.cancel('the app\'s own', { userId: 'alice' })
  t.match(of('task_cancelled'), [
    { taskId: task.task_id, userId: 'alice', task: { status: 'cancelled' } }, { taskId: 'the app\'s own', userId: 'alice', task: null }
  ])
  await client.request({ type: 'change_user', token: server.token('bob') })
  t.match(of('identity_changed'), [{ client: { id: client.id, user: { id: 'bob' } }, previous: { id: 'alice' } }])
})

t.test('on() returns its undo, each registration has its own, and undoing twice is harmless', async (t) => {
  const { ws } = (await startApp(t)).app
  let calls = 0
  const listener = () => { calls++ }
  const undo = [ws.on('task_cancelled', listener), ws.on('task_cancelled', listener), ws.on('task_cancelled', listener)]
  const cancel = () => ws.tasks.cancel('any', { userId: 'alice' })
  await cancel()
  t.equal(calls, 3)
  undo[0]!()
  undo[0]!()
  await cancel()
  t.equal(calls, 5)
  undo[2]!()
  undo[1]!()
  await cancel()
  t.equal(calls, 5)
  ws.on('task_cancelled', listener)
  undo[1]!()
  await cancel()
  t.equal(calls, 6, 'an old undo does not take back a new registration')
})

t.test('a failing listener is logged and affects no other', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const heard: string[] = []
  ws.on('message_received', () => { throw new Error('thrown') })
  ws.on('message_received', async () => { throw new Error('rejected') })
  ws.on('message_received', () => ({ then: (_done: unknown, fail: (error: Error) => void) => fail(new Error('of a thenable')) }))
  ws.on('message_received', () => heard.push('a number is returned'))
  ws.on('message_received', () => null)
  ws.on('client_connected', () => { throw new Error('thrown at connect') })
  ws.on('client_disconnected', () => { throw new Error('thrown at disconnect') })
  const gone = new Promise((resolve) => { ws.on('client_disconnected', resolve) })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'ping' }), { type: 'reply' })
  t.same(heard, ['a number is returned'])
  await client.close()
  await gone
  const lines = server.logs.filter(({ msg }) => msg === 'a listener failed')
  t.same(lines.map(({ event, err }) => [event, err.message]), [
    ['client_connected', 'thrown at connect'],
    ['message_received', 'thrown'],
    ['message_received', 'rejected'],
    ['message_received', 'of a thenable'],
    ['client_disconnected', 'thrown at disconnect']
  ])
  t.match(ws.getStatus(), { active_connections: 0 })
})

t.test('listeners get only the type and id of a frame that carries a token', async (t) => {
  const heard: string[] = []
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 100 } }, {
    after: ({ ws }) => {
      for (const event of ['message_received', 'message_failed'] as const) ws.on(event, ({ message }) => heard.push(JSON.stringify([event, message])))
    }
  })
  const client = await server.connect('alice')
  const token = server.token('alice', { nonce: 'secret' })
  const frames: object[] = [
    { type: 'auth', token }, { type: 'change_user', token: `Bearer ${token}` }, { action: 'auth', token }, { type: 'auth', token: `${token}x` },
    { type: 'auth', tokens: token }, { type: 'auth', token: { token } }, { type: 'auth', token, constructor: { prototype: 1 } }
  ]
  for (const frame of frames) await client.request(frame)
  client.socket.send('no JSON')
  await client.settled()
  t.equal(heard.filter((line) => line.startsWith('["message_failed"')).length, 5)
  t.equal(heard.filter((line) => line.includes('"type":"auth","id":"request-')).length, 7)
  t.notMatch(heard.join(), token.split('.')[1]!)
})
