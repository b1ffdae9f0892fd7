/*
 * Bun's own server, run by Bun: native publish and subscribe, everything as it comes. A topic for all, one for each
 * channel; a user's socket is held in a Map.
 */
/* global Bun */
import { MESSAGE_TYPE, REQUEST_TYPE } from '../shared/payloads.mjs'
import { control } from './control.mjs'

const users = new Map()
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch (request, server) {
    const query = new URL(request.url).searchParams
    const data = { user: query.get('user'), channel: query.get('channel') }
    if (!server.upgrade(request, { data })) return new Response(null, { status: 426 })
  },
  websocket: {
    open (socket) {
      users.set(socket.data.user, socket)
      socket.subscribe('all')
      if (socket.data.channel !== null) socket.subscribe(socket.data.channel)
    },
    message (socket, data) {
      const { type, id, text } = JSON.parse(data)
      if (type === REQUEST_TYPE) socket.send(JSON.stringify({ type: 'reply', id, data: { text } }))
    },
    close (socket) {
      users.delete(socket.data.user)
    }
  }
})

control({
  port: server.port,
  all: (fields) => server.publish('all', encode(fields)),
  channel: (channel, fields) => server.publish(channel, encode(fields)),
  user: (user, fields) => users.get(user)?.send(encode(fields)),
  collect: () => Bun.gc(true)
})

function encode (fields) {
  return JSON.stringify({ type: MESSAGE_TYPE, ...fields })
}
