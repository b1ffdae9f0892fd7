import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { pageClient, withoutDelays } from '../fixtures/page-client.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { startScripted } from '../fixtures/scripted-server.js'
import { until } from '../fixtures/until.js'

withoutDelays(t)

t.test('a message is acknowledged when all its listeners have returned, and not before', async (t) => {
  const server = await startApp(t)
  const { client } = pageClient(t, server, 'alice')
  const gate = new Gate()
  const got: number[] = []
  client.user.on('mail.new', ({ n }) => { got.push(n) })
  client.user.on('mail.new', () => gate.wait())
  await client.ready()
  let isAcked = false
  const sent = server.app.ws.sendToUser('alice', { type: 'mail.new', n: 1 }, { ack: { timeoutMs: 5_000, tries: 20 } }).finally(() => { isAcked = true })
  await gate.reached
  await client.call('app.nothing').catch(() => {})
  t.equal(isAcked, false)
  gate.open()
  t.match(await sent, { acked: [client.me!.clientId], missing: [] })
  t.same(got, [1])
})

t.test('a message that comes again is not handed over again, and is acknowledged again', async (t) => {
  const server = await startApp(t)
  const proxy = await TcpProxy.start(t, Number(new URL(server.origin).port))
  const { client } = pageClient(t, { origin: `http://127.0.0.1:${proxy.port}`, token: server.token.bind(server) }, 'alice')
  const got: number[] = []
  const gate = new Gate()
  client.user.on('mail.new', async ({ n }) => {
    got.push(n)
    await gate.wait()
  })
  await client.ready()
  const sent = server.app.ws.sendToUser('alice', { type: 'mail.new', n: 1 }, { ack: { timeoutMs: 5_000, tries: 20 } })
  await gate.reached
  // Its acknowledgement has no socket; the next socket gets the message once more.
  proxy.blackHole()
  proxy.cut()
  await until(() => client.status === 'reconnecting')
  gate.open()
  proxy.heal()
  await client.ready()
  t.match(await sent, { acked: [client.me!.clientId] })
  t.same(got, [1])
})

t.test('a message whose copy without a stream comes first is handed to the listeners of its stream when it comes there', async (t) => {
  const stream = { topic: 'user:alice', epoch: 'e', offset: 1 }
  const acks: string[] = []
  const server = await startScripted(t, (socket) => {
    const send = (frame: object) => socket.send(JSON.stringify(frame))
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data))
      if (frame.type === 'ack') acks.push(frame.message_id)
    })
    send({ type: 'connection', data: { client_id: 'c', user_id: 'alice', channels: [], streams: [{ ...stream, offset: 0, recovered: false, missed: 0 }] } })
    const mail = { type: 'mail.new', n: 1, message_id: 'm', requires_ack: true }
    send(mail)
    send({ ...mail, stream })
    send({ ...mail, stream })
    send(mail)
    send({ type: 'mail.new', n: 2, stream: { ...stream, offset: 2 } })
  })
  const { client } = pageClient(t, server, 'alice', { getToken: undefined })
  const [every, mails]: number[][] = [[], []]
  client.on('message', ({ n }) => { every!.push(n) })
  client.user.on('mail.new', ({ n }) => { mails!.push(n) })
  await until(() => mails!.at(-1) === 2)
  t.same([every, mails], [[1, 2], [1, 2]])
  await until(() => acks.length >= 3)
})

t.test('a message without a listener, or whose listener throws, is not acknowledged', async (t) => {
  const server = await startApp(t)
  const { client, failures } = pageClient(t, server, 'alice')
  await client.ready()
  const ack = { timeoutMs: 60, tries: 2 }
  t.match(await server.app.ws.sendToUser('alice', { type: 'mail.new', n: 1 }, { ack }), { acked: [], missing: [client.me!.clientId] })
  let calls = 0
  client.user.on('mail.new', () => {
    calls++
    throw new Error('broken')
  })
  t.match(await server.app.ws.sendToUser('alice', { type: 'mail.new', n: 2 }, { ack }), { acked: [] })
  t.equal(calls, 1, 'no listener gets a message twice, whatever it did with it')
  t.match(failures, [{ error: { message: 'broken' } }])
})
