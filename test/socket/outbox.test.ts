import { inflateRawSync } from 'node:zlib'
import t from 'tap'
import { EncodedMessage, encodeFrame, type Encoding } from '../../lib/socket/message.js'
import { Path } from '../../lib/socket/outbox.js'
import { DeflatedFrames, plainFrames } from '../../lib/socket/websocket-encoding.js'

const lines: Encoding = { encode: ({ payload }) => Buffer.concat([payload, Buffer.from('\n')]) }
const long = () => new EncodedMessage(JSON.stringify({ type: 'test.long', text: 'abcdefgh'.repeat(50) }), true, true)

t.test('a batch is joined once for each encoding, in the order of its messages', (t) => {
  const [first, second] = [encodeFrame({ type: 'dropped', count: 1 }), encodeFrame({ type: 'dropped', count: 2 })]
  const batch = new Path(null, first).extend(second)
  const encodings = [plainFrames, lines, new DeflatedFrames(100)]
  const joined = encodings.map((encoding) => batch.in(encoding))
  t.strictSame(joined[0], Buffer.concat([first.frame, second.frame]))
  t.equal(joined[1]!.toString(), '{"type":"dropped","count":1}\n{"type":"dropped","count":2}\n')
  t.strictSame(joined[2], joined[0], 'below the threshold')
  encodings.forEach((encoding, index) => t.equal(batch.in(encoding), joined[index]))
  t.end()
})

t.test('a message is deflated once, also where sockets get it in different batches', (t) => {
  const message = long()
  const encoding = new DeflatedFrames(100)
  const [alone, other] = [new Path(null, message).in(encoding), new Path(null, message).in(encoding)]
  t.equal(alone, other)
  t.ok(alone.length < message.frame.length)
  t.equal(inflateRawSync(Buffer.concat([alone.subarray(2), Buffer.from([0, 0, 0xff, 0xff])]), { finishFlush: 2 }).toString(), message.payload.toString())
  t.end()
})

t.test('a message that must not be compressed is sent plain to all', (t) => {
  const message = new EncodedMessage(JSON.stringify({ type: 'test.secret', text: 'abcdefgh'.repeat(50) }), true, false)
  t.equal(new Path(null, message).in(new DeflatedFrames(100)), message.frame)
  t.end()
})
