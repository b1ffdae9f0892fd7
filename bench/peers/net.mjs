/*
 * The limit: a `net.Socket` server that does nothing but write. The message is made into a ready frame once, and each
 * socket gets one `write` for it. After the handshake it reads nothing that it would have to understand.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { MESSAGE_TYPE } from '../shared/payloads.mjs'
import { control } from './control.mjs'
import { Members } from './members.mjs'

const sockets = new Set()
const members = new Members()
const server = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('close', () => sockets.delete(socket))
  socket.once('data', (request) => {
    const leave = members.add(socket, /^GET (\S+)/.exec(request.toString('latin1'))[1])
    socket.on('close', leave)
    const key = /sec-websocket-key: *(\S+)/i.exec(request.toString('latin1'))[1]
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
    sockets.add(socket)
    socket.resume()
  })
})
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => control({
  port: server.address().port,
  all: (fields) => writeTo(sockets, fields),
  channel: (channel, fields) => writeTo(members.ofChannel(channel), fields)
}))

function writeTo (receivers, fields) {
  const frame = encode(fields)
  for (const socket of receivers) socket.write(frame)
}

/** A text frame of a server; the messages of this benchmark have between 126 and 65 535 bytes. */
function encode (fields) {
  const payload = Buffer.from(JSON.stringify({ type: MESSAGE_TYPE, ...fields }))
  const header = Buffer.from([0x81, 126, payload.length >> 8, payload.length & 0xff])
  return Buffer.concat([header, payload])
}
