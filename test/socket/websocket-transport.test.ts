import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import type { ConnectionEnd } from '../../lib/client.js'
import { plainFrames } from '../../lib/socket/websocket-encoding.js'
import { WebSocketTransport } from '../../lib/socket/websocket-transport.js'
import { MAX_PAYLOAD_BYTES, transportSuite } from '../fixtures/transport-suite.js'

// One listener for each transport of the suite.
const server = createServer().setMaxListeners(0).listen(0, '127.0.0.1')
const upgrades = new WebSocketServer({ noServer: true, maxPayload: MAX_PAYLOAD_BYTES })
t.before(() => once(server, 'listening'))
t.teardown(() => server.close())

/** A WebSocket over TCP, both of its ends. */
async function open (t: Test) {
  const path = `/${randomUUID()}`
  const accepted = new Promise<WebSocketTransport>((resolve) => {
    server.on('upgrade', (request, raw: Duplex, head) => {
      if (request.url === path) upgrades.handleUpgrade(request, raw, head, (socket) => resolve(new WebSocketTransport(socket, raw, plainFrames)))
    })
  })
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
  const messages: { type: string }[] = []
  socket.on('message', (data) => messages.push(JSON.parse(data.toString())))
  // A reset is reported as the end, too.
  socket.on('error', () => {})
  const ended = new Promise<ConnectionEnd>((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })))
  t.teardown(() => socket.terminate())
  const [transport] = await Promise.all([accepted, once(socket, 'open')])
  return {
    transport,
    client: {
      messages: () => messages,
      ended,
      stall: () => socket.pause(),
      read: () => socket.resume(),
      send: (text: string) => socket.send(text),
      ping: () => socket.ping('unasked'),
      pong: () => socket.pong('unasked'),
      close: (code: number, reason: string) => socket.close(code, reason),
      sendTooMuch: () => socket.send('x'.repeat(MAX_PAYLOAD_BYTES + 1))
    }
  }
}

transportSuite(t, open)

t.test('a close reason is cut to the bytes that a close frame can hold', async (t) => {
  const { transport, client } = await open(t)
  transport.close(4000, 'x'.repeat(200))
  t.strictSame(await client.ended, { code: 4000, reason: 'x'.repeat(123) })
})
