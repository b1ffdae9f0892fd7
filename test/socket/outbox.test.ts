import { inflateRawSync } from 'node:zlib'
import t from 'tap'
import { EncodedMessage, encodeFrame, type Encoding } from '../../lib/socket/message.js'
import { Outbox, Path } from '../../lib/socket/outbox.js'
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

t.test('all messages of a turn are written in one later turn, and those of a later turn in another', (t) => {
  const scheduled: Array<() => void> = []
  t.intercept(globalThis, 'setImmediate', { value: (run: () => void) => scheduled.push(run) })
  const flushed: string[] = []
  const socket = (id: string) => ({
    path: null,
    flush () {
      this.path = null
      flushed.push(id)
    }
  })
  const outbox = new Outbox()
  const [a, b] = [socket('a'), socket('b')]
  const message = encodeFrame({ type: 'dropped', count: 1 })
  for (const connection of [a, b, a]) outbox.append(connection as never, message)
  t.equal(scheduled.length, 1)
  scheduled.shift()!()
  t.strictSame(flushed, ['a', 'b'])
  outbox.append(b as never, message)
  t.equal(scheduled.length, 1)
  scheduled.shift()!()
  t.strictSame(flushed, ['a', 'b', 'b'])
  t.end()
})
