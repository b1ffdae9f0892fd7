import { EventEmitter, once } from 'node:events'
import type { Server } from 'node:http'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { UnfinishedRequests } from '../../lib/http/unfinished-requests.js'

t.test('an unread response is left until the next check, and then cut', async (t) => {
  const server = new EventEmitter()
  const requests = new UnfinishedRequests(server as Server, 1_000, () => {})
  const socket = new PassThrough()
  const answer = Object.assign(new EventEmitter(), { writableEnded: true, writableNeedDrain: false, headersSent: true, req: { socket, complete: true } })
  server.emit('connection', Object.assign(socket, { _httpMessage: answer, bytesRead: 1 }))
  const closed = once(socket, 'close')
  requests.end()
  requests.destroy(performance.now())
  t.equal(socket.destroyed, false, 'it can still be read')
  await closed
  t.equal(requests.size, 0)
  server.emit('close')
})

t.test('an HTTP/2 connection accepted while the server closes ends once everything is written', async (t) => {
  const server = Object.assign(new EventEmitter(), { updateSettings: () => {} })
  const requests = new UnfinishedRequests(server as unknown as Server, 1_000, () => {})
  requests.end()
  requests.destroy(performance.now())
  const socket = new PassThrough()
  server.emit('connection', socket)
  // Its session is there, so that it is not cut for having none.
  const session = Object.assign(new EventEmitter(), { destroyed: false, close: () => {}, destroy: () => {} })
  server.emit('session', session)
  socket.end()
  await once(socket, 'finish')
  await new Promise(setImmediate)
  t.equal(socket.destroyed, true)
  session.emit('close')
  server.emit('close')
})
