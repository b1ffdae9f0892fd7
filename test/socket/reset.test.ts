import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { reset } from '../../lib/socket/reset.js'

/** Both ends of a TCP connection; the client does not end by itself. */
async function pair (t: Test): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
  return [accepted, client]
}

t.test('a socket is reset, also while its FIN is being sent', async (t) => {
  for (const isEnding of [false, true]) {
    const [socket, client] = await pair(t)
    const gone = new Promise<Error | null>((resolve) => {
      client.on('error', resolve)
      client.on('close', () => resolve(null))
    })
    if (isEnding) socket.end()
    reset(socket)
    await once(socket, 'close')
    t.equal(socket.destroyed, true)
    // A client that has read the end does not hear of the reset behind it.
    if (!isEnding) t.match(await gone, { code: 'ECONNRESET' })
    client.destroy()
  }
})

t.test('a socket whose FIN waits behind unread data is reset at once', async (t) => {
  const [socket, client] = await pair(t)
  client.on('error', () => {})
  client.pause()
  socket.end(Buffer.alloc(32_000_000))
  reset(socket)
  t.equal(socket.destroyed, true)
  await once(socket, 'close')
  client.destroy()
})

t.test('a stream that cannot be reset, or is of TLS, is destroyed', (t) => {
  const [stream, encrypted] = [new PassThrough(), Object.assign(new PassThrough(), { encrypted: true, resetAndDestroy: () => t.fail('a reset of TLS') })]
  reset(stream)
  reset(encrypted)
  t.strictSame([stream.destroyed, encrypted.destroyed], [true, true])
  t.end()
})
