import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'

const CONTINUATION = 0
/** A frame of a message that has more of them (RFC 6455 section 5.4). */
const unfinished = (opcode: number, payload: string) => {
  const frame = maskedFrame(opcode, payload)
  frame[0]! &= 0x7f
  return frame
}

/** A ping's text in so many fragments, of which the empty ones are in between. */
function fragmented (pieces: number): Buffer {
  const text = '{"type":"ping","id":1}'
  return Buffer.concat([unfinished(opcodes.text, text.slice(0, 5)), ...Array.from({ length: pieces - 2 }, () => unfinished(CONTINUATION, '')), maskedFrame(CONTINUATION, text.slice(5))])
}

t.test('a message of limits.maxFragments fragments is read, and one of more closes with 1008', async (t) => {
  const server = await startApp(t, { limits: { maxFragments: 5 } })
  const client = await RawClient.open(t, server, 'alice')
  client.socket.write(fragmented(5))
  t.match(JSON.parse((await client.frame()).payload.toString()), { type: 'pong' })
  client.socket.write(fragmented(5))
  client.socket.write(fragmented(6))
  t.equal(await client.closeCode(), 1008)
  await client.ended
  t.equal(server.app.ws.getStatus().rejected.fragments, 1)
})

t.test('fragments that together exceed limits.maxPayloadBytes close the socket with 1009', async (t) => {
  const server = await startApp(t, { limits: { maxPayloadBytes: 100 } })
  const client = await RawClient.open(t, server, 'alice')
  client.socket.write(Buffer.concat([unfinished(opcodes.text, 'x'.repeat(60)), unfinished(CONTINUATION, 'x'.repeat(60))]))
  t.equal(await client.closeCode(), 1009)
  await client.ended
  t.equal(server.app.ws.getStatus().rejected.payload, 1)
})
