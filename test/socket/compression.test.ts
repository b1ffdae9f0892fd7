import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { inflateRawSync } from 'node:zlib'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { WebSocket as Socket } from 'ws'
import { startApp } from '../fixtures/app.js'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { compressed } from '../fixtures/hand-made-frames.js'
import { RawClient } from '../fixtures/raw-client.js'
import { StallingClient } from '../fixtures/stalling-client.js'

const compression = { enabled: true, thresholdBytes: 100 }
const long = (n: number) => ({ type: 'test.long', n, text: `ünï ${'abcdefgh'.repeat(50)}` })
/** So that all messages have the same `stream`. */
const plainly = { compression, history: { enabled: false } }
const short = (n: number) => ({ type: 'test.short', n })
/** As clients get them. */
const got = (...messages: object[]) => messages.map((message) => ({ ...message, stream: { topic: 'all' } }))

/** Inflates one message as RFC 7692 section 7.2.2 says. */
function inflate (payload: Buffer): string {
  return inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]), { finishFlush: 2 }).toString()
}

t.test('long messages are compressed for clients that negotiated it, and plain for the others, in one batch', async (t) => {
  const server = await startApp(t, plainly)
  const offer = 'permessage-deflate; client_max_window_bits'
  const [deflating, plain, tiny] = await Promise.all([
    StallingClient.open(server.origin, server.token('a'), { extensions: offer }),
    StallingClient.open(server.origin, server.token('b')),
    // Its window cannot hold what the common compression refers to.
    StallingClient.open(server.origin, server.token('c'), { extensions: 'permessage-deflate; server_max_window_bits=9' })
  ])
  t.teardown(() => { for (const { socket } of [deflating, plain, tiny]) socket.destroy() })
  for (let n = 0; n < 3; n++) {
    server.app.ws.broadcast(short(n))
    server.app.ws.broadcast(long(n))
  }
  for (const client of [deflating, plain, tiny]) {
    while (client.frames().length < 7) await new Promise((resolve) => client.socket.once('data', resolve))
    const frames = client.frames().slice(1)
    const isDeflating = client === deflating
    t.strictSame(frames.map(({ isCompressed }) => isCompressed), [false, isDeflating, false, isDeflating, false, isDeflating])
    t.strictSame(frames.map(({ isCompressed, payload }) => JSON.parse(isCompressed ? inflate(payload) : payload.toString())),
      got(short(0), long(0), short(1), long(1), short(2), long(2)))
  }
})

t.test('permessage-deflate is negotiated without context takeover on either side', async (t) => {
  const server = await startApp(t, { compression })
  const client = await RawClient.to(t, server)
  client.upgrade('/ws', { authorization: `Bearer ${server.token('alice')}`, 'sec-websocket-extensions': 'permessage-deflate' })
  const { head } = await client.response()
  t.match(head, /^sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r$/im)
})

t.test('compression is off by default', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice', { socket: { perMessageDeflate: true } })
  t.equal(client.socket.extensions, '')
})

t.test('the ws client exchanges compressed messages with the server', async (t) => {
  const server = await startApp(t, { compression })
  const client = await server.connect('alice', { socket: { perMessageDeflate: { threshold: 0 } } })
  t.equal(client.socket.extensions, 'permessage-deflate')
  await server.app.ws.broadcast(long(1))
  t.strictSame(await client.next('test.long'), long(1))
  t.match(await client.request({ type: 'ping', timestamp: 'x'.repeat(60) }), { type: 'reply', data: { timestamp: 'x'.repeat(60) } })
})

t.test('a decompression bomb is refused before it is unpacked', async (t) => {
  const server = await startApp(t, { compression })
  const client = await server.connect('alice', { socket: { perMessageDeflate: { threshold: 0 } } })
  client.send({ type: 'ping', timestamp: 'x'.repeat(10_000_000) })
  t.match(await client.closed, { code: 1009 })
})

/** How a socket ends on whose account nothing more may be unpacked. */
const ends: Record<string, (socket: Socket) => void> = {
  'is cut': (socket) => socket.terminate(),
  'is closed by the server': (socket) => socket.close(1008, 'Enough'),
  'is reset by its client': () => {}
}

for (const [how, end] of Object.entries(ends)) {
  t.test(`of a socket that ${how} nothing more is unpacked`, async (t) => {
    const server = await startApp(t, { compression })
    let unpacked = 0
    const first = new Promise<Socket>((resolve) => {
      server.app.websocketServer.once('connection', (socket) => socket.on('message', (data: Buffer) => {
        if (data.length === 0 || ++unpacked > 1) return
        resolve(socket)
        end(socket)
      }))
    })
    const client = await RawClient.to(t, server)
    client.upgrade('/ws', { authorization: `Bearer ${server.token('alice')}`, 'sec-websocket-extensions': 'permessage-deflate' })
    await client.response()
    await client.frame()
    // All of them are in what the server reads at once.
    client.socket.write(Buffer.concat(Array(200).fill(compressed(' '.repeat(20_000)))))
    const socket = await first
    client.reset()
    await once(socket, 'close')
    t.ok(unpacked < 20, `${unpacked} messages of 200 were unpacked`)
  })
}

t.test('a socket whose compressed messages are still unread is closed as any other, on both sides', async (t) => {
  const server = await startApp(t, { compression })
  const ended = new Promise((resolve) => server.app.ws.on('client_disconnected', resolve))
  const client = await server.connect('alice', { socket: { perMessageDeflate: { threshold: 0 } } })
  server.app.ws.handle('app.leave', { schema: Type.Object({}) }, (_message, { client }) => { server.app.ws.disconnect(client!.id, 'Bye') })
  client.send({ type: 'app.leave' })
  for (let n = 0; n < 500; n++) client.send({ type: 'ping', timestamp: 'x'.repeat(60) })
  t.match(await client.closed, { code: 4403, reason: 'Bye' })
  t.match(await ended, { code: 4403, reason: 'Bye' })
})

t.test('Chromium reads compressed messages', async (t) => {
  const server = await startApp(t, plainly)
  const page = await openPage(t, await startBrowser(t), `${server.origin}/ws/health`)
  const received = page.evaluate(({ token, count }) => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${window.location.host}/ws`, ['ws-manager.v1', `bearer.${token}`])
    const messages: unknown[] = []
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data)
      if (message.type === 'test.long') messages.push(message)
      if (messages.length === count) resolve({ extensions: socket.extensions, messages })
    }
  }), { token: server.token('alice'), count: 2 })
  const connected = new Promise((resolve) => server.app.ws.on('client_connected', resolve))
  await connected
  server.app.ws.broadcast(long(1))
  server.app.ws.broadcast(long(2))
  t.match(await received, { extensions: /^permessage-deflate/, messages: [long(1), long(2)] })
})

t.test('Python\'s websockets reads compressed messages', async (t) => {
  const server = await startApp(t, plainly)
  const script = `
import asyncio, json, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1], extra_headers={"Authorization": "Bearer " + sys.argv[2]}) as socket:
        compressed = any(e.name == "permessage-deflate" for e in socket.extensions)
        await socket.recv()
        print("ready", flush=True)
        messages = [json.loads(await socket.recv()) for _ in range(2)]
        print(json.dumps({"compressed": compressed, "messages": messages}), flush=True)
asyncio.run(main())`
  const python = spawn('/usr/bin/python3', ['-c', script, server.origin.replace('http', 'ws') + '/ws', server.token('alice')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  for await (const line of createInterface({ input: python.stdout })) {
    lines.push(line)
    if (line === 'ready') {
      server.app.ws.broadcast(long(1))
      server.app.ws.broadcast(long(2))
    }
  }
  t.strictSame(JSON.parse(lines.at(-1)!), { compressed: true, messages: got(long(1), long(2)) })
})
