import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { PassThrough } from 'node:stream'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import type { WebSocketServer } from 'ws'
import { Upgrades } from '../../lib/http/upgrades.js'
import wsPlugin from '../../lib/index.js'
import { SECRET } from '../fixtures/app.js'

t.test('a socket that fails before anybody else listens to it is destroyed, and ends nothing else', (t) => {
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

t.test('a server whose upgrades others than @fastify/websocket take is refused at registration', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket, { options: { server: createServer() } })
  app.server.on('upgrade', () => {})
  await t.rejects(Promise.resolve(app.register(wsPlugin, { jwt: { secret: SECRET } })), { code: 'WSM_ERR_NO_UPGRADE_LISTENER', message: /@fastify\/websocket .* ~11\.3\.6/ })
})

t.test('where the plugin has registered @fastify/websocket, it must listen', (t) => {
  const settings = { isRouted: () => true, onUpgrade: () => {}, mayListenElsewhere: false, graceMs: 0 }
  t.throws(() => new Upgrades(new EventEmitter() as Server, new EventEmitter() as WebSocketServer, settings), { code: 'WSM_ERR_NO_UPGRADE_LISTENER' })
  t.end()
})
