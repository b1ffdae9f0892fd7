import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import type { ClientOptions, WsError } from '../../client/index.js'
import { pageClient, withoutDelays } from '../fixtures/page-client.js'
import { startScripted } from '../fixtures/scripted-server.js'
import { until } from '../fixtures/until.js'

withoutDelays(t)

type Sent = { type: string, [field: string]: any }

const EPOCH = 'e'
const hello = (userId: string | null = null, streams: unknown = []) => ({ type: 'connection', data: { client_id: 'c', user_id: userId, streams } })

/** A server that the test speaks for, and a client of it. */
async function start (t: Test, greet: (socket: WebSocket, url: string, count: number) => void, options: Partial<ClientOptions> = {}) {
  const sockets: WebSocket[] = []
  const got: Sent[] = []
  const server = await startScripted(t, (socket, url) => {
    sockets.push(socket)
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(String(data)) as Sent
      if (frame.type === 'ping') socket.send(JSON.stringify({ type: 'pong', timestamp: frame.timestamp, server_time: Date.now() }))
      else got.push(frame)
    })
    greet(socket, url, sockets.length)
  })
  const page = pageClient(t, server, 'alice', { getToken: null as never, ...options })
  return { ...page, sockets, got, say: (frame: unknown) => sockets.at(-1)!.send(JSON.stringify(frame)) }
}

t.test('a frame of a wrong shape is an error, and the client lives on', async (t) => {
  const { client, failures, say, sockets } = await start(t, (socket) => socket.send(JSON.stringify(hello())))
  const room = client.channel('room')
  t.equal(room.status, 'joining')
  await client.ready()
  const frames = [
    { type: 'said', stream: { topic: 5, epoch: 5, offset: 'x' } }, { type: 'presence', channel: 'room' }, { type: 'gap' }, { type: 'connection' }, { type: 'task_log' }, { type: 'error' },
    { type: 'connection', data: { streams: [null] } }, { type: 'availability', reasons: 1 }, { type: '__proto__' }, { type: 'constructor', stream: null }, { type: 'toString', stream: { topic: '__proto__', epoch: 'e', offset: 1 } },
    { type: 'reply', id: 77 }, { type: 'error', id: 'nobody' }, { type: 'subscribed', channel: 'room' }, { type: 'token_expiring' }, { type: 'confirmation_closed' }, { type: 'task_step_result' }
  ]
  for (const frame of frames) say(frame)
  const got: unknown[] = []
  client.on('message:last', () => { got.push('last') })
  say({ type: 'last' })
  await until(() => got.length > 0)
  t.equal(client.status, 'connected')
  t.equal(sockets.length, 1)
  t.ok(failures.length > 3)
})

t.test('a greeting of a wrong shape is no connection', async (t) => {
  const { client, failures } = await start(t, (socket, _url, count) => socket.send(JSON.stringify(count === 1 ? hello(null, [null]) : hello())))
  await client.ready()
  t.match(failures, [{ error: { code: 'bad_answer' }, where: 'the connection' }])
})

t.test('a call whose data are no JSON is refused at once, and harms no other', async (t) => {
  const { client, got, say } = await start(t, (socket) => socket.send(JSON.stringify(hello())))
  const wrong = client.call('app.wrong', { n: 1n })
  const right = client.call('app.right', {})
  await t.rejects(wrong, TypeError)
  await until(() => got.some(({ type }) => type === 'app.right'))
  t.equal(client.status, 'connected')
  say({ type: 'reply', id: got[0]!.id, data: 'done' })
  t.equal(await right, 'done')
})

t.test('a call has the data that it was made with, also when it is sent later or again', async (t) => {
  const { client, got, sockets } = await start(t, (socket) => socket.send(JSON.stringify(hello('alice'))))
  const doc = { lines: ['one'] }
  const call = client.call('doc.save', { doc }).catch(() => {})
  doc.lines.push('two')
  await until(() => got.length === 1)
  doc.lines.push('three')
  sockets[0]!.terminate()
  await until(() => got.length === 2)
  t.same(got[0], got[1])
  t.same(got[1]!.doc, { lines: ['one'] })
  client.close()
  await call
})

t.test('a call is not sent again when the server may have forgotten it', async (t) => {
  const { client, got, sockets } = await start(t, (socket) => socket.send(JSON.stringify(hello('alice'))))
  await client.ready()
  const call = client.call('app.pay', {}, { timeoutMs: 3_600_000 })
  await until(() => got.length === 1)
  const { now } = Date
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + 600_000
  sockets[0]!.terminate()
  t.match(await call.catch((error: WsError) => error), { code: 'disconnected', delivery: 'unknown' })
  t.equal(got.length, 1)
})

t.test('a time that no timer takes is as good as for ever', async (t) => {
  const { client, got, say } = await start(t, (socket) => socket.send(JSON.stringify(hello())))
  await client.ready()
  const call = client.call('app.slow', {}, { timeoutMs: Infinity })
  await until(() => got.length === 1)
  await new Promise((resolve) => { setTimeout(resolve, 20) })
  say({ type: 'reply', id: got[0]!.id, data: 'done' })
  t.equal(await call, 'done')
})

t.test('a client that is closed in the turn in which it was made does not connect', async (t) => {
  let calls = 0
  const { client, statuses } = pageClient(t, { origin: 'http://127.0.0.1:9', token: String }, 'alice', {
    getToken: () => {
      calls++
      return null
    }
  })
  client.close()
  await new Promise((resolve) => { setTimeout(resolve, 20) })
  t.same([client.status, statuses, calls], ['closed', ['closed'], 0])
})

t.test('a message whose type is the name of an event comes once', async (t) => {
  const { client, say } = await start(t, (socket) => socket.send(JSON.stringify(hello())))
  await client.ready()
  const got: unknown[] = []
  client.on('message', ({ n }: any) => { got.push(n) })
  client.all.on('message', ({ n }: any) => { got.push(['all', n]) })
  say({ type: 'message', n: 1, stream: { topic: 'all', epoch: EPOCH, offset: 1 } })
  say({ type: 'last', n: 2 })
  await until(() => got.includes(2))
  t.same(got, [1, ['all', 1], 2])
})

t.test('an allowance of frames that was used up long ago does not delay the next connection', async (t) => {
  const { client, say, sockets, failures } = await start(t, (socket) => socket.send(JSON.stringify(hello())))
  await client.ready()
  say({ type: 'error', code: 'rate_limited', message: '', details: { retry_after_ms: 60_000 } })
  await until(() => failures.length === 1)
  sockets[0]!.terminate()
  await until(() => sockets.length === 2)
  t.pass()
})

t.test('what is stored in another form is left alone', async (t) => {
  for (const stored of ['[', '5', '{}', '["bob",5,5]', '[null,[["all",{"epoch":5,"offset":"x"}],["user:x",null]],[]]']) {
    const urls: string[] = []
    const { client } = await start(t, (socket, url) => {
      urls.push(new URL(url, 'http://localhost').searchParams.get('recover')!)
      socket.send(JSON.stringify(hello()))
    }, { storage: { getItem: () => stored, setItem: () => {}, removeItem: () => {} } })
    await client.ready()
    t.equal(urls[0], '{}', stored)
    client.close()
  }
})

t.test('getState() is not called, and hands nothing over, after the client was closed', async (t) => {
  let calls = 0
  let release = (_state: { state: string }) => {}
  const { client, say, sockets } = await start(t, (socket) => {
    socket.send(JSON.stringify(hello('alice')))
    socket.on('message', (data: Buffer) => {
      const { type, id } = JSON.parse(String(data)) as Sent
      if (type !== 'subscribe') return
      socket.send(JSON.stringify({ type: 'subscribed', channel: 'room', topic: 'channel:room', epoch: EPOCH, offset: 0, recovered: true, missed: 0 }))
      socket.send(JSON.stringify({ type: 'reply', id, data: {} }))
    })
  })
  let signal: AbortSignal
  const room = client.channel('room', {
    getState: (context) => {
      calls++
      signal = context.signal
      return new Promise<{ state: string }>((resolve) => { release = resolve })
    }
  })
  const got: unknown[] = []
  room.on('state', (state) => { got.push(state) })
  room.on('message', ({ n }: any) => { got.push(n) })
  await until(() => room.status === 'loading')
  say({ type: 'said', n: 1, stream: { topic: 'channel:room', epoch: EPOCH, offset: 1 } })
  say({ type: 'last' })
  await new Promise<void>((resolve) => { client.on('message:last', () => resolve()) })
  client.signOut()
  t.ok(signal!.aborted)
  release({ state: 'old' })
  await new Promise((resolve) => { setTimeout(resolve, 20) })
  t.same(got, [])
  client.connect()
  await until(() => calls === 2)
  release({ state: 'new' })
  await until(() => got.length === 1)
  t.same(got, ['new'])
  t.equal(sockets.length, 2)
})

t.test('a channel that one user was refused is asked for again for another', async (t) => {
  let user = 'alice'
  const { client, sockets } = await start(t, (socket) => {
    const its = user
    socket.send(JSON.stringify(hello(its)))
    socket.on('message', (data: Buffer) => {
      const { type, id } = JSON.parse(String(data)) as Sent
      if (type !== 'subscribe') return
      if (its === 'alice') return socket.send(JSON.stringify({ type: 'error', id, code: 'forbidden', message: 'no' }))
      socket.send(JSON.stringify({ type: 'subscribed', channel: 'room', topic: 'channel:room', epoch: EPOCH, offset: 0, recovered: true, missed: 0 }))
      socket.send(JSON.stringify({ type: 'reply', id, data: {} }))
    })
  })
  const room = client.channel('room')
  await until(() => room.status === 'refused')
  user = 'bob'
  sockets[0]!.terminate()
  await until(() => room.status === 'live')
  t.pass()
})
