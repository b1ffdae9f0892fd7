/*
 * Socket.IO on the WebSocket transport alone, everything else as it comes: no compression, the adapter in memory, rooms
 * for channels. Its guide to memory use says to let go of the first request; that is done. One socket of a user is held
 * in a Map, which is cheaper than a room with one member. With `recovery` its connection-state recovery is on, as it comes.
 * With `adapter` it runs on many nodes.
 */
import { createServer } from 'node:http'
import { createAdapter as createRedisAdapter } from '@socket.io/redis-adapter'
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { MESSAGE_TYPE, REQUEST_TYPE } from '../shared/payloads.mjs'
import { control, settings } from './control.mjs'

const server = createServer()
const adapters = {
  redis: () => createRedisAdapter(new Redis(settings.redisPort), new Redis(settings.redisPort)),
  'redis-streams': () => createStreamsAdapter(new Redis(settings.redisPort))
}
const io = new Server(server, {
  transports: ['websocket'],
  serveClient: false,
  ...settings.recovery === true ? { connectionStateRecovery: {} } : {},
  ...settings.adapter === undefined ? {} : { adapter: adapters[settings.adapter]() }
})
const sockets = new Map()
io.engine.on('connection', (connection) => { connection.request = null })
io.on('connection', (socket) => {
  const { user, channel } = socket.handshake.auth
  sockets.set(user, socket)
  if (channel !== undefined) socket.join(channel)
  socket.on(REQUEST_TYPE, ({ text }, answer) => answer({ text }))
  socket.on('disconnect', () => sockets.delete(user))
})
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => control({
  port: server.address().port,
  all: (fields) => io.emit(MESSAGE_TYPE, fields),
  channel: (channel, fields) => io.to(channel).emit(MESSAGE_TYPE, fields),
  user: (user, fields) => sockets.get(user)?.emit(MESSAGE_TYPE, fields)
}))
