import { EventEmitter, once } from 'node:events'
import type { Server } from 'node:http'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { UnfinishedRequests } from '../../lib/http/unfinished-requests.js'

t.test('the connection of an HTTP/2 session that its client keeps open is cut after the session', async (t) => {
  const server = Object.assign(new EventEmitter(), { updateSettings: () => {} })
  const requests = new UnfinishedRequests(server as unknown as Server, 1_000, () => {})
  const socket = new PassThrough()
  const session = Object.assign(new EventEmitter(), { destroyed: false, close: () => {}, destroy: () => { session.destroyed = true; session.emit('destroy') } })
  server.emit('connection', socket)
  server.emit('session', session)
  t.equal(requests.size, 2)
  const closed = once(socket, 'close')
  requests.destroy(performance.now())
  t.equal(session.destroyed, false, 'its first request may come')
  let ends = 0
  const close = session.close as (callback?: () => void) => void
  close(() => { ends++ })
  close()
  t.equal(ends, 0)
  const [ended] = await Promise.all([once(session, 'destroy'), new Promise(setImmediate)])
  t.same(ended, [])
  t.equal(socket.destroyed, false, 'it may end by itself')
  await closed
  session.emit('close')
  t.equal(ends, 1)
  t.equal(requests.size, 0)
  server.emit('close')
})
