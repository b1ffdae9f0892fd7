import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import { PassThrough } from 'node:stream'
import t from 'tap'
import type { WebSocketServer } from 'ws'
import { Upgrades } from '../../lib/http/upgrades.js'

t.test('a socket that fails before anybody else listens to it is destroyed, and ends nothing else', (t) => {
  const [server, webSocketServer] = [new EventEmitter(), new EventEmitter()]
  const upgrades = new Upgrades(server as Server, webSocketServer as WebSocketServer, { isRouted: () => true, onUpgrade: () => {}, graceMs: 0 })
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
