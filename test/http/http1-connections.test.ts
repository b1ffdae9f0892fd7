import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ClosingTime } from '../../lib/http/closing-time.js'
import { Http1Connections } from '../../lib/http/http1-connections.js'

const LATER_MS = 60_000

/** A connection of a server on which a request has begun, the client's end of it, and what looks after it. */
async function begin (t: Test, listening: Server, accepting: Server): Promise<{ connections: Http1Connections, socket: Socket, client: Socket }> {
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const accepted = once(accepting, 'connection')
  const client = connect((listening.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => {})
  t.teardown(() => {
    client.destroy()
    listening.close()
  })
  client.write('GET / HTTP/1.1\r\nhost: ')
  const [socket] = await accepted as [Socket]
  const time = new ClosingTime()
  time.windUp(performance.now())
  const connections = new Http1Connections(time)
  connections.add(socket)
  while (socket.bytesRead === 0) await new Promise((resolve) => setImmediate(resolve))
  return { connections, socket, client }
}

t.test('a connection on which a request is arriving is kept, on every version of Node.js', async (t) => {
  const server = createHttpServer()
  const { connections, socket } = await begin(t, server, server)
  connections.sweep(performance.now() + LATER_MS)
  t.notOk(socket.destroyed)
})

t.test('one that another server has handed over to a server that does not listen is ended: nothing tells what is arriving on it', async (t) => {
  const server = createHttpServer()
  const { connections, socket } = await begin(t, createServer((socket) => { server.emit('connection', socket) }), server)
  connections.sweep(performance.now() + LATER_MS)
  t.ok(socket.destroyed)
})

t.test('a connection that is idle after its request is ended', async (t) => {
  const server = createHttpServer((_request, response) => response.end('done'))
  const { connections, socket, client } = await begin(t, server, server)
  client.write('test\r\n\r\n')
  await once(client, 'data')
  connections.sweep(performance.now() + LATER_MS)
  t.ok(socket.destroyed)
})
