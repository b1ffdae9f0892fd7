import t, { type Test } from 'tap'
import { startApp, type TestApp } from '../fixtures/app.js'
import { closing, deflated, handMade } from '../fixtures/hand-made-frames.js'
import { RawClient, opcodes } from '../fixtures/raw-client.js'

const { text, binary, close, ping, pong } = opcodes
const MORE = 0
const [RSV1, RSV2, RSV3] = [4, 2, 1]
const [FRAME_BYTES, FRAGMENTS] = [65_536, 128]
/** A message that is answered by one frame. */
const ACK = '{"type":"ack","message_id":"x","id":1}'
const padded = (bytes: number) => ACK.padEnd(bytes)
const cut = (payload: string | Buffer, ...at: number[]): Buffer[] => [0, ...at].map((start, n) => Buffer.from(payload).subarray(start, at[n]))
const named = (id: string) => `{"type":"ack","message_id":"x","id":"${id}"}`
const bytes = (...values: number[]) => Buffer.concat([Buffer.from('{"type":"'), Buffer.from(values), Buffer.from('"}')])

/** A message in fragments; of what is given, the last one is final. */
function fragments (parts: ReadonlyArray<string | Buffer>, first: number = text, rsv = 0): Buffer[] {
  return parts.map((part, n) => handMade(n === 0 ? first : MORE, part, { fin: n === parts.length - 1, ...n === 0 && { rsv } }))
}

/** Each frame that the server must answer with, in order: a text with these words, a pong, or a close frame with a code; null: without one. */
type Answer = string | { pong: string } | { close: number | null }
type Case = [name: string, sent: Buffer | Buffer[], ...answers: Answer[]]

const error: Answer = '"type":"error"'
const reply: Answer = '"type":"reply"'
const good = handMade(text, ACK)
const codeOf = (code: number, wanted = code): Case => [`close ${code}`, handMade(close, closing(code)), { close: wanted }]

/** RFC 6455 sections 5.1 to 5.3 and 5.8. */
const frames: Case[] = [
  ['a text', good, reply],
  ['a mask of zeros', handMade(text, ACK, { mask: [0, 0, 0, 0] }), reply],
  ['a mask of ones', handMade(text, ACK, { mask: [255, 255, 255, 255] }), reply],
  ['an empty text', handMade(text), error],
  ...[125, 126, 127, 65_535, FRAME_BYTES].map((size): Case => [`a text of ${size} bytes`, handMade(text, padded(size)), reply]),
  ['a text over the limit', handMade(text, padded(FRAME_BYTES + 1)), { close: 1009 }],
  ['a length of a terabyte', handMade(text, '', { says: 1n << 40n }), { close: 1009 }],
  ['a length over 2^53', handMade(text, '', { says: 1n << 60n }), { close: 1009 }],
  ['a length with its highest bit', handMade(text, '', { says: 1n << 63n }), { close: 1009 }],
  ['a frame byte by byte', [...good].map((byte) => Buffer.from([byte])), reply],
  ['two texts in one packet', Buffer.concat([good, good]), reply, reply],
  ['a text without a mask', handMade(text, ACK, { mask: null }), { close: 1002 }],
  ['a ping without a mask', handMade(ping, '', { mask: null }), { close: 1002 }],
  ['a close without a mask', handMade(close, closing(1000), { mask: null }), { close: 1002 }],
  ...[RSV1, RSV2, RSV3, RSV1 + RSV2 + RSV3].map((rsv): Case => [`reserved bits ${rsv}`, handMade(text, ACK, { rsv }), { close: 1002 }]),
  ...[RSV1, RSV2, RSV3].map((rsv): Case => [`a ping with reserved bit ${rsv}`, handMade(ping, '', { rsv }), { close: 1002 }]),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): Case => [`opcode ${opcode}`, handMade(opcode, 'x'), { close: 1002 }]),
  ['a binary', handMade(binary, ACK), { close: 1003 }],
  ['an empty binary', handMade(binary), { close: 1003 }]
]

/** RFC 6455 section 5.5. */
const controls: Case[] = [
  ['a ping', handMade(ping), { pong: '' }],
  ['a ping with text', handMade(ping, 'hello'), { pong: 'hello' }],
  ['a ping of 125 bytes', handMade(ping, 'x'.repeat(125)), { pong: 'x'.repeat(125) }],
  ['a ping of bytes that are no text', handMade(ping, Buffer.from([0xff, 0])), { pong: '\ufffd\0' }],
  ['two pings', [handMade(ping, 'a'), handMade(ping, 'b')], { pong: 'a' }, { pong: 'b' }],
  ['a ping of 126 bytes', handMade(ping, 'x'.repeat(126)), { close: 1002 }],
  ['a ping in fragments', handMade(ping, 'x', { fin: false }), { close: 1002 }],
  ['a pong that nobody asked for', [handMade(pong, 'x'), good], reply],
  ['a pong in fragments', handMade(pong, 'x', { fin: false }), { close: 1002 }],
  ['a pong of 126 bytes', handMade(pong, 'x'.repeat(126)), { close: 1002 }],
  ['a close in fragments', handMade(close, closing(1000), { fin: false }), { close: 1002 }],
  ['a ping between two fragments', [handMade(text, ACK.slice(0, 9), { fin: false }), handMade(ping, 'now'), handMade(MORE, ACK.slice(9))], { pong: 'now' }, reply],
  ['a close between two fragments', [handMade(text, ACK.slice(0, 9), { fin: false }), handMade(close, closing(1000))], { close: 1000 }]
]

/** RFC 6455 section 5.4. */
const fragmented: Case[] = [
  ['two fragments', fragments(cut(ACK, 9)), reply],
  ['five fragments', fragments(cut(ACK, 5, 9, 14, 20)), reply],
  ['an empty first fragment', fragments(['', ACK]), reply],
  ['an empty last fragment', fragments([ACK, '']), reply],
  ['empty fragments in between', fragments([ACK.slice(0, 9), '', '', ACK.slice(9)]), reply],
  ['as many fragments as allowed', fragments(Array(FRAGMENTS - 1).fill('').concat(ACK)), reply],
  ['a fragment too many', fragments(Array(FRAGMENTS).fill('').concat(ACK)), { close: 1008 }],
  ['fragments that are too big together', fragments(cut(padded(FRAME_BYTES + 1), 40_000)), { close: 1009 }],
  ['a continuation of nothing', handMade(MORE, ACK), { close: 1002 }],
  ['an unfinished continuation of nothing', handMade(MORE, ACK, { fin: false }), { close: 1002 }],
  ['a continuation behind a whole message', Buffer.concat([good, handMade(MORE, 'x')]), { close: 1002 }],
  ['a text amid fragments', [handMade(text, 'x', { fin: false }), good], { close: 1002 }],
  ['a binary amid fragments', [handMade(text, 'x', { fin: false }), handMade(binary, 'x')], { close: 1002 }],
  ['a binary in fragments', fragments(['x', 'y'], binary), { close: 1003 }]
]

/** RFC 6455 sections 5.5.1 and 7.4. */
const closes: Case[] = [
  ['an empty close', handMade(close), { close: null }],
  ['a close of one byte', handMade(close, 'x'), { close: 1002 }],
  ['a close of 126 bytes', handMade(close, closing(1000, 'x'.repeat(124))), { close: 1002 }],
  ['a close with the longest reason', handMade(close, closing(1000, 'x'.repeat(123))), { close: 1000 }],
  ['a close with a reason in UTF-8', handMade(close, closing(1000, 'über 🎉')), { close: 1000 }],
  ['a close with a reason that is no text', handMade(close, closing(1000, Buffer.from([0xc3, 0x28]))), { close: 1007 }],
  ['a message behind a close', Buffer.concat([handMade(close, closing(1000)), good]), { close: 1000 }],
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map((code) => codeOf(code)),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) => codeOf(code, 1002))
]

/** RFC 6455 sections 5.6 and 8.1; RFC 3629. */
const texts: Case[] = [
  ['two, three and four bytes for a character', handMade(text, named('ü€🎉')), '"id":"ü€🎉"'],
  ['the last character', handMade(text, named('\u{10ffff}')), '"id":"\u{10ffff}"'],
  ['no character, but text', handMade(text, named('\uffff')), '"id":"\uffff"'],
  ['a character in two fragments', fragments(cut(named('🎉'), named('').length)), '"id":"🎉"'],
  ['a continuation byte alone', handMade(text, bytes(0x80)), { close: 1007 }],
  ['a character cut short', handMade(text, bytes(0xe2, 0x82)), { close: 1007 }],
  ['a character cut off by the end', handMade(text, Buffer.from([0xf0, 0x9f, 0x8e])), { close: 1007 }],
  ['a slash that is too long', handMade(text, bytes(0xc0, 0xaf)), { close: 1007 }],
  ['half a surrogate pair', handMade(text, bytes(0xed, 0xa0, 0x80)), { close: 1007 }],
  ['more than the last character', handMade(text, bytes(0xf4, 0x90, 0x80, 0x80)), { close: 1007 }],
  ['a byte that is never in UTF-8', handMade(text, bytes(0xff)), { close: 1007 }],
  ['bad text in the last fragment', fragments([ACK, Buffer.from([0xff])]), { close: 1007 }],
  ['bad text in the first of two fragments', fragments([Buffer.from([0xff]), ACK]), { close: 1007 }]
]

/** RFC 7692 sections 6 and 7.2, where compression is negotiated. */
const compressed: Case[] = [
  ['a compressed text', handMade(text, deflated(ACK), { rsv: RSV1 }), reply],
  ['a text that is not compressed', good, reply],
  ['one of each', [handMade(text, deflated(ACK), { rsv: RSV1 }), good, handMade(text, deflated(ACK), { rsv: RSV1 })], reply, reply, reply],
  ['a text in stored blocks', handMade(text, deflated(ACK, 0), { rsv: RSV1 }), reply],
  ['an empty text, compressed', handMade(text, Buffer.from([0]), { rsv: RSV1 }), error],
  ['a compressed text in fragments', fragments(cut(deflated(ACK), 7, 20), text, RSV1), reply],
  ['a ping between compressed fragments', [handMade(text, deflated(ACK).subarray(0, 9), { fin: false, rsv: RSV1 }), handMade(ping, 'x'), handMade(MORE, deflated(ACK).subarray(9))], { pong: 'x' }, reply],
  ['the bit on a later fragment', [handMade(text, 'x', { fin: false }), handMade(MORE, ACK, { rsv: RSV1 })], { close: 1002 }],
  ['the bit on a ping', handMade(ping, '', { rsv: RSV1 }), { close: 1002 }],
  ['another reserved bit', handMade(text, deflated(ACK), { rsv: RSV1 + RSV2 }), { close: 1002 }],
  ['what is not compressed, with the bit', handMade(text, Buffer.from([0xff, 0xff, 0xff]), { rsv: RSV1 }), { close: 1007 }],
  ['bad text, compressed', handMade(text, deflated(Buffer.from([0xff])), { rsv: RSV1 }), { close: 1007 }],
  ['what is too big when it is decompressed', handMade(text, deflated(padded(FRAME_BYTES + 1)), { rsv: RSV1 }), { close: 1009 }],
  ['a compressed binary', handMade(binary, deflated(ACK), { rsv: RSV1 }), { close: 1003 }]
]

async function check (t: Test, server: TestApp, cases: readonly Case[], headers: Record<string, string> = {}): Promise<void> {
  await Promise.all(cases.map(async ([name, sent, ...answers]) => {
    const client = await RawClient.to(t, server)
    client.upgrade('/ws', { authorization: `Bearer ${server.token('alice')}`, ...headers })
    const { head } = await client.response()
    t.equal(/^sec-websocket-extensions:/im.test(head), headers['sec-websocket-extensions'] !== undefined)
    await client.frame()
    for (const part of [sent].flat()) client.socket.write(part)
    for (const answer of answers) {
      const { opcode, payload } = await client.frame()
      if (typeof answer === 'string') t.ok(opcode === text && payload.toString().includes(answer), `${name}: ${payload.toString()}`)
      else if ('pong' in answer) t.same([opcode, payload.toString()], [pong, answer.pong], name)
      else t.same([opcode, payload.length === 0 ? null : payload.readUInt16BE(0)], [close, answer.close], name)
    }
    // Nothing else comes: what is open still answers with the next frame, what is closed ends.
    const isOver = answers.some((answer) => typeof answer === 'object' && 'close' in answer)
    if (!isOver) {
      client.send(ping, 'after it')
      t.match(await client.frame(), { opcode: pong, payload: Buffer.from('after it') }, name)
      return client.reset()
    }
    client.send(close, closing(1000))
    await client.ended
  }))
}

t.test('frames, fragments, control frames, close codes and UTF-8 are those of RFC 6455', async (t) => {
  const server = await startApp(t, { limits: { maxPayloadBytes: FRAME_BYTES, maxFragments: FRAGMENTS }, closeTimeoutMs: 100 })
  for (const cases of [frames, controls, fragmented, closes, texts]) await check(t, server, cases)
  t.same(server.logs.filter(({ level }) => level >= 40), [], 'nothing has failed')
})

t.test('compressed messages are those of RFC 7692', async (t) => {
  const server = await startApp(t, { compression: { enabled: true }, closeTimeoutMs: 100 })
  await check(t, server, compressed, { 'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits' })
  t.same(server.logs.filter(({ level }) => level >= 40), [], 'nothing has failed')
})
