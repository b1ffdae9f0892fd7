import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { Duplex, PassThrough } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import type { WebSocketServer } from 'ws'
import { Upgrades } from '../../lib/http/upgrades.js'
import wsPlugin from '../../lib/index.js'
import { SECRET } from '../fixtures/app.js'

t.test('a socket that fails before it has another listener is destroyed, and affects nothing else', (t) => {
  const [server, webSocketServer] = [new EventEmitter(), new EventEmitter()]
  // As @fastify/websocket's, which is recognised by its call.
  const router = { routing: () => {} }
  server.on('upgrade', () => router.routing())
  const upgrades = new Upgrades(server as Server, webSocketServer as WebSocketServer, { isRouted: () => true, onUpgrade: () => {}, mayListenElsewhere: false, graceMs: 0 })
  t.teardown(() => upgrades.stop())
  const request = {} as IncomingMessage
  const socket = new PassThrough()
  server.emit('upgrade', request, socket)
  socket.emit('error', new Error('ECONNRESET'))
  t.equal(socket.destroyed, true)

  const [opened, raw] = [{} as IncomingMessage, new PassThrough()]
  server.emit('upgrade', opened, raw)
  webSocketServer.emit('connection', {}, opened)
  t.equal(raw.listenerCount('error'), 0, 'an open socket is for ws to listen to')
  t.end()
})

/** An upgrade's socket whose other end reads nothing. */
class Stuck extends Duplex {
  bytesWritten = 0
  override _read (): void {}
  override _write (): void {}
}

t.test('an upgrade that another library has acted on in any way belongs to that library', async (t) => {
  const ways: [how: string, act: (request: IncomingMessage, socket: Stuck) => void][] = [
    ['destroyed the socket', (_request, socket) => socket.destroy()],
    ['ended it', (_request, socket) => socket.end()],
    ['written, and it waits', (_request, socket) => socket.write('x')],
    ['written, and it has left', (_request, socket) => { socket.bytesWritten++ }],
    ['noted it on the request', (request) => Object.assign(request, { taken: true })]
  ]
  for (const [how, act] of [...ways, ['done nothing', () => {}] as const]) {
    const server = new EventEmitter()
    let routed = 0
    const router = { routing: () => { routed++ } }
    server.on('upgrade', () => router.routing())
    const upgrades = new Upgrades(server as Server, new EventEmitter() as WebSocketServer, { isRouted: () => false, onUpgrade: () => {}, mayListenElsewhere: false, graceMs: 0 })
    server.on('upgrade', act)
    const socket = new Stuck()
    server.emit('upgrade', {} as IncomingMessage, socket, Buffer.alloc(0))
    await setTimeout(1)
    t.equal(routed, how === 'done nothing' ? 1 : 0, how)
    upgrades.destroy()
    t.equal(socket.destroyed, ['destroyed the socket', 'done nothing'].includes(how), `${how}: the close of the server does not cut it`)
    upgrades.stop()
    socket.destroy()
  }
})

t.test('registration refuses a server whose upgrades are taken by others than @fastify/websocket', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket, { options: { server: createServer() } })
  app.server.on('upgrade', () => {})
  await t.rejects(Promise.resolve(app.register(wsPlugin, { jwt: { secret: SECRET } })), { code: 'WSM_ERR_NO_UPGRADE_LISTENER', message: /@fastify\/websocket .* ~11\.3\.6/ })
})

t.test('if the plugin has registered @fastify/websocket, it must listen for upgrades', (t) => {
  const settings = { isRouted: () => true, onUpgrade: () => {}, mayListenElsewhere: false, graceMs: 0 }
  t.throws(() => new Upgrades(new EventEmitter() as Server, new EventEmitter() as WebSocketServer, settings), { code: 'WSM_ERR_NO_UPGRADE_LISTENER' })
  t.end()
})
