/*
 * Socket.IO on the WebSocket transport alone, everything else as it comes: no compression, the adapter in memory, rooms
 * for channels. Its guide to memory use says to let go of the first request; that is done. One socket of a user is held
 * in a Map, which is cheaper than a room with one member. With `recovery` its connection-state recovery is on, as it comes.
 */
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { MESSAGE_TYPE, REQUEST_TYPE } from '../shared/payloads.mjs'
import { control, settings } from './control.mjs'

const server = createServer()
const io = new Server(server, {
  transports: ['websocket'],
  serveClient: false,
  ...settings.recovery === true ? { connectionStateRecovery: {} } : {}
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
