/*
 * `ws` in a loop, the message serialised once: to a Buffer that is sent as text, which spares `ws` the conversion of the
 * string for every socket.
 */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { MESSAGE_TYPE } from '../shared/payloads.mjs'
import { control, settings } from './control.mjs'
import { Members } from './members.mjs'

const server = createServer()
const webSocketServer = new WebSocketServer({ server, perMessageDeflate: settings.compression === true })
const members = new Members()
webSocketServer.on('connection', (socket, request) => {
  socket.on('close', members.add(socket, request.url))
  socket.on('error', () => {})
  // For the scenario `client`, whose floor it is.
  socket.on('message', (data) => {
    const { id, text } = JSON.parse(data)
    socket.send(JSON.stringify({ type: 'reply', id, data: { text } }))
  })
})
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => control({
  port: server.address().port,
  all: (fields) => send(webSocketServer.clients, fields),
  channel: (channel, fields) => send(members.ofChannel(channel), fields),
  user: (user, fields) => send(members.ofUser(user), fields)
}))

function send (sockets, fields) {
  const data = Buffer.from(JSON.stringify({ type: MESSAGE_TYPE, ...fields }))
  for (const socket of sockets) if (socket.readyState === socket.OPEN) socket.send(data, { binary: false })
}
