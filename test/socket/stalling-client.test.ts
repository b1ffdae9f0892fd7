import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { StallingClient } from '../fixtures/stalling-client.js'
import { until } from '../fixtures/until.js'

const ANSWER = 'HTTP/1.1 101 Switching Protocols\r\n\r\n'

/** A frame as a server sends it, its header as short as it can be. */
function frame (payload: Buffer): Buffer {
  const { length } = payload
  const header = length < 126 ? Buffer.from([0x81, length]) : Buffer.from([0x81, length < 65_536 ? 126 : 127, ...Array(length < 65_536 ? 2 : 8).fill(0)])
  if (header.length === 4) header.writeUInt16BE(length, 2)
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([header, payload])
}

t.test('StallingClient parses frames that arrive in pieces, whichever byte they are split at', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const opening = StallingClient.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'token')
  const [socket] = await accepted
  socket.setNoDelay(true)
  socket.write(ANSWER)
  const client = await opening
  t.teardown(() => client.socket.destroy())
  const payloads = [5, 300, 70_000].map((length) => Buffer.alloc(length, 'x'))
  let sent = ANSWER.length
  for (const payload of payloads) {
    const bytes = frame(payload)
    for (const piece of [...[...bytes.subarray(0, 12)].map((byte) => Buffer.from([byte])), bytes.subarray(12)]) {
      socket.write(piece)
      sent += piece.length
      await until(() => client.socket.bytesRead === sent, { everyMs: 0 })
      t.doesNotThrow(() => client.frames())
    }
  }
  t.strictSame(client.frames().map(({ payload }) => payload.length), payloads.map(({ length }) => length))
})
