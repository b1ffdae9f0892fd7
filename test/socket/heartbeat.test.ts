import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { event } from '../fixtures/client.js'
import { RawClient, opcodes } from '../fixtures/raw-client.js'

const patient: WsPluginOptions = { heartbeat: { intervalMs: 15, timeoutMs: 5_000 } }

const start = async (t: Test, options: WsPluginOptions) => {
  const server = await startApp(t, options)
  const rtt = async (userId: string) => (await server.rest('GET', `/ws/clients?user_id=${userId}`)).body.clients[0].rtt_ms
  return { server, rtt }
}

/** Reads up to the server's next ping. */
async function nextPing (client: RawClient): Promise<Buffer> {
  for (;;) {
    const { opcode, payload } = await client.frame()
    if (opcode === opcodes.ping) return payload
  }
}

t.test('a client that answers pings is pinged again and again, and its round-trip time is recorded', async (t) => {
  const { server, rtt } = await start(t, patient)
  const client = await server.connect('alice')
  await event(client.socket, 'ping')
  await event(client.socket, 'ping')
  // There is no second ping before the answer to the first.
  const measured = await rtt('alice')
  t.type(measured, 'number')
  t.ok(measured >= 0 && measured < 5_000)
})

t.test('the round-trip time is null before the first pong', async (t) => {
  const { server, rtt } = await start(t, {})
  await server.connect('alice')
  t.equal(await rtt('alice'), null)
})

t.test('a silent socket is closed with 4408, and cut when it does not answer the close frame', async (t) => {
  const { server } = await start(t, { heartbeat: { intervalMs: 20, timeoutMs: 400 }, closeTimeoutMs: 60 })
  const ended = new Promise<number>((resolve) => server.app.ws.on('client_disconnected', ({ code }) => resolve(code)))
  const other = await server.connect('bob')
  const client = await RawClient.open(t, server, 'alice')
  await nextPing(client)
  const { opcode, payload } = await client.frame()
  t.equal(opcode, opcodes.close)
  t.equal(payload.readUInt16BE(0), 4408)
  t.equal(payload.toString('utf8', 2), 'No answer to a ping')
  t.match(await server.app.ws.sendToUser('alice', { type: 'app.hello' }), { localRecipients: 0 }, 'nothing more is sent to it')
  await client.ended
  t.equal(await ended, 1006)
  await other.settled()
  t.match(server.app.ws.getStatus(), { active_connections: 1, users: 1 }, 'the others stay')
})

t.test('a client that sends messages but no pongs stays open until it falls silent', async (t) => {
  const { server, rtt } = await start(t, { heartbeat: { intervalMs: 20, timeoutMs: 500 } })
  const client = await RawClient.open(t, server, 'alice')
  for (let pings = 0; pings < 3; pings++) {
    await nextPing(client)
    client.send(opcodes.text, '{"type":"ping"}')
  }
  await nextPing(client)
  client.send(opcodes.ping)
  await nextPing(client)
  t.equal(await rtt('alice'), null, 'nothing was measured')
  t.equal(await client.closeCode(), 4408)
})

t.test('a pong measures only the ping that it answers', async (t) => {
  const { server, rtt } = await start(t, patient)
  const client = await RawClient.open(t, server, 'alice')
  client.send(opcodes.pong, 'nobody asked')
  const first = await nextPing(client)
  client.send(opcodes.text, '{"type":"ping"}')
  const second = await nextPing(client)
  t.not(first.toString(), second.toString())
  client.send(opcodes.pong, first)
  client.send(opcodes.pong, 'something else')
  client.send(opcodes.text, '{"type":"connection","id":"behind them"}')
  while (!(await client.frame()).payload.includes('behind them'));
  t.equal(await rtt('alice'), null, 'neither a late pong nor a made-up one counts')

  const prompt = await RawClient.open(t, server, 'bob')
  prompt.send(opcodes.pong, await nextPing(prompt))
  await nextPing(prompt)
  t.type(await rtt('bob'), 'number')
})

t.test('a pong that arrived while the event loop was blocked counts', async (t) => {
  const server = await startApp(t, { heartbeat: { intervalMs: 20, timeoutMs: 900 } })
  const pause = new Int32Array(new SharedArrayBuffer(4))
  let pings = 0
  const pinged = new Promise<void>((resolve) => server.app.websocketServer.on('connection', (socket) => {
    const ping = socket.ping.bind(socket)
    socket.ping = (...args: unknown[]) => {
      (ping as (...args: unknown[]) => void)(...args)
      // Then the whole process stands still, as it does under a debugger or on a machine that sleeps.
      setImmediate(() => Atomics.wait(pause, 0, 0, 1_800))
      if (++pings === 2) resolve()
    }
  }))
  // The client lives in a thread of its own: it goes on answering.
  const worker = new Worker(`
    const { parentPort, workerData } = require('node:worker_threads')
    const { WebSocket } = require(workerData.ws)
    const socket = new WebSocket(workerData.url, { headers: { authorization: workerData.token } })
    socket.on('close', (code) => parentPort.postMessage(code))
    parentPort.once('message', () => socket.close(1000))
  `, {
    eval: true,
    workerData: {
      ws: createRequire(import.meta.url).resolve('ws'),
      url: `${server.origin.replace('http', 'ws')}/ws`,
      token: `Bearer ${server.token('alice')}`
    }
  })
  t.teardown(() => worker.terminate())
  const closed = event(worker, 'message')
  await Promise.race([pinged, closed])
  worker.postMessage('close')
  t.same(await closed, [1000], 'the server did not close it')
})

t.test('no socket is pinged with heartbeat.enabled false', async (t) => {
  const { server } = await start(t, { heartbeat: { enabled: false, intervalMs: 5, timeoutMs: 5 } })
  const client = await server.connect('alice')
  client.socket.on('ping', () => t.fail('a ping came'))
  const { server: beating } = await start(t, { heartbeat: { intervalMs: 15, timeoutMs: 5_000 } })
  const other = await beating.connect('alice')
  for (let pings = 0; pings < 3; pings++) await event(other.socket, 'ping')
  await client.settled()
  t.equal(server.app.ws.getConnectionCount(), 1)
})
