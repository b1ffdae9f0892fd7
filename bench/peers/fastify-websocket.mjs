/*
 * @fastify/websocket bare: what an app on Fastify writes that takes nothing else. No token; a request is parsed, checked
 * with the same compiled schema that the product has, and answered.
 */
import fastifyWebsocket from '@fastify/websocket'
import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import Fastify from 'fastify'
import { MESSAGE_TYPE, REQUEST_TYPE } from '../shared/payloads.mjs'
import { control } from './control.mjs'
import { Members } from './members.mjs'
import { Request } from './schemas.mjs'

const check = TypeCompiler.Compile(Type.Object({ type: Type.Literal(REQUEST_TYPE), id: Type.Integer(), ...Request.properties }))
const app = Fastify()
const members = new Members()
await app.register(fastifyWebsocket)
app.register(async (scope) => {
  scope.get('/ws', { websocket: true }, (socket, request) => {
    socket.on('close', members.add(socket, request.url))
    socket.on('message', (data) => {
      const message = JSON.parse(data.toString())
      if (!check.Check(message)) return socket.close(1008)
      socket.send(JSON.stringify({ type: 'reply', id: message.id, data: { text: message.text } }))
    })
  })
})
await app.listen({ host: '127.0.0.1', port: 0, backlog: 4096 })

control({
  port: app.server.address().port,
  all: (fields) => send(app.websocketServer.clients, fields),
  channel: (channel, fields) => send(members.ofChannel(channel), fields),
  user: (user, fields) => send(members.ofUser(user), fields)
})

function send (sockets, fields) {
  const data = Buffer.from(JSON.stringify({ type: MESSAGE_TYPE, ...fields }))
  for (const socket of sockets) if (socket.readyState === socket.OPEN) socket.send(data, { binary: false })
}
