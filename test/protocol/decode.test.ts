import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { peekId } from '../../lib/protocol/decode.js'
import { startApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'

const limits = { maxErrorsPerMinute: 1_000 }

/** An app whose `echo.any` answers what it got, with the messages that its handler saw. */
async function startEcho (t: Test, options: WsPluginOptions = {}) {
  const seen: Array<Record<string, unknown>> = []
  const server = await startApp(t, { limits, ...options }, {
    after: (app) => app.ws.handle('echo.any', { schema: Type.Object({}, { additionalProperties: true }) }, (message) => {
      seen.push(message)
      return message
    })
  })
  return { server, seen }
}

/** Sends text as it is; resolves to the error that comes back, and proves that the socket goes on. */
async function fault (client: TestClient, text: string) {
  client.socket.send(text)
  const error = await client.next('error')
  await client.settled()
  return error
}

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

t.test('a malformed frame is answered with its error code, its socket stays open, and other sockets are unaffected', async (t) => {
  const { server, seen } = await startEcho(t)
  const client = await server.connect('alice')
  const bystander = await server.connect('bob')
  const cases: Array<[string, string, string]> = [
    ['no JSON', 'hello', 'bad_json'],
    ['nothing', '', 'bad_json'],
    ['half a frame', '{"type":"ping"', 'bad_json'],
    ['two frames in one', '{"type":"ping"}{"type":"ping"}', 'bad_json'],
    ['a byte order mark', '\uFEFF{"type":"ping"}', 'bad_json'],
    ['a number that JSON does not have', '{"type":"ping","timestamp":NaN}', 'bad_json'],
    ['a control character in a string', '{"type":"ping","timestamp":"\u0001"}', 'bad_json'],
    ['null', 'null', 'bad_frame'],
    ['a number', '42', 'bad_frame'],
    ['a string', '"ping"', 'bad_frame'],
    ['an array', '[{"type":"ping"}]', 'bad_frame'],
    ['no type', '{}', 'bad_frame'],
    ['a type that is no string', '{"type":1}', 'bad_frame'],
    ['an action that is no string', '{"action":["ping"]}', 'bad_frame'],
    ['a type that is null', '{"type":null}', 'bad_frame'],
    ['a type in the prototype', '{"__proto__":{"type":"ping"}}', 'bad_frame'],
    ['an unknown type', '{"type":"pinge"}', 'unknown_type'],
    ['the name of an inherited property', '{"type":"toString"}', 'unknown_type'],
    ['a type of the server', '{"type":"reply","data":1}', 'unknown_type'],
    ['an empty type', '{"type":""}', 'unknown_type'],
    ['a wrong field', '{"type":"ping","timestamp":{}}', 'invalid_message'],
    ['a missing field', '{"type":"confirm","callback_id":"x"}', 'invalid_message'],
    ['an unknown field of a built-in frame', '{"type":"ping","evil":1}', 'invalid_message'],
    ['an action that contradicts the type', '{"type":"ping","action":"cancel"}', 'invalid_message'],
    ['a number without end', '{"type":"ping","timestamp":1e999}', 'invalid_message'],
    ['too many levels', `{"type":"echo.any","x":${nested(32)}}`, 'too_deep'],
    ['too many levels in a frame of an unknown type', `{"type":"pinge","x":${nested(5_000)}}`, 'too_deep'],
    ['levels that are never closed', '['.repeat(60_000), 'too_deep']
  ]
  for (const [name, text, code] of cases) {
    const error = await fault(client, text)
    t.equal(error.code, code, name)
    t.type(error.message, 'string')
    t.notMatch(JSON.stringify(error), /\bat .+\.[jt]s:\d/, 'no stack')
  }
  t.equal(client.count('error'), cases.length, 'one error for each')
  t.equal(seen.length, 0, 'no handler ran')
  await server.app.ws.broadcast({ type: 'news.flash' })
  await bystander.next('news.flash')
  t.same(bystander.received.map(({ type }) => type), ['connection', 'news.flash'])
  t.equal(server.logs.filter(({ level }) => level >= 50).length, 0, 'nothing to report in the server\'s log')
})

t.test('every fault of a frame is listed with its place, ten at the most', async (t) => {
  const { server } = await startEcho(t)
  const client = await server.connect('alice')
  const one = await client.request({ type: 'confirm', callback_id: 'x', proceed: 'yes' })
  t.match(one, { code: 'invalid_message', message: /\/proceed: Expected boolean/, details: [{ path: '/proceed', message: 'Expected boolean' }] })
  const fields = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`field${index}`, 1]))
  const many = await client.request({ type: 'ping', ...fields })
  t.equal(many.details.length, 10)
})

t.test('brackets within strings do not count as nesting of a frame', async (t) => {
  const { server } = await startEcho(t)
  const client = await server.connect('alice')
  const texts = [nested(100), '"'.repeat(3) + nested(100), '\\'.repeat(3) + nested(100), '\\"' + nested(100) + '\\', '\u2028[{'.repeat(40)]
  for (const text of texts) {
    const { data } = await client.request({ type: 'echo.any', [text]: text })
    t.equal(data[text], text)
  }
  // Side by side is not one inside the other.
  const { data } = await client.request({ type: 'echo.any', list: Array.from({ length: 200 }, () => [{}]) })
  t.equal(data.list.length, 200)
  // A string that ends in a backslash ends where it ends, and what is behind it counts.
  t.equal((await fault(client, `{"type":"echo.any","a":"\\\\","b":${nested(32)}}`)).code, 'too_deep')
  t.equal((await fault(client, `{"type":"echo.any","a":"\\"","b":${nested(32)}}`)).code, 'too_deep')
})

t.test('the deepest level that is allowed is limits.maxDepth, the frame itself counted', async (t) => {
  const { server } = await startEcho(t, { limits: { maxDepth: 3, ...limits } })
  const client = await server.connect('alice')
  client.socket.send('{"type":"echo.any","id":1,"x":[[]]}')
  t.match(await client.next('reply'), { id: 1, data: { x: [[]] } })
  t.match(await fault(client, '{"type":"echo.any","id":1,"x":[[[]]]}'), { code: 'too_deep', message: /3 levels/ })
})

t.test('unusual but valid JSON in a frame arrives as it was sent', async (t) => {
  const { server, seen } = await startEcho(t)
  const client = await server.connect('alice')
  client.socket.send('{"type":"echo.any","id":"surrogate","text":"\\ud800","\\udfff":"\\ud83d"}')
  t.match(await client.next('reply'), { id: 'surrogate', data: { text: '\ud800', '\udfff': '\ud83d' } }, 'lone surrogates')
  client.socket.send('{"type":"pinge","id":"first","type":"echo.any","n":1,"n":2,"id":"last"}')
  t.match(await client.next('reply'), { id: 'last', data: { type: 'echo.any', n: 2 } }, 'the last of duplicate keys counts')
  client.socket.send('{"type":"echo.any","id":1e400}')
  const error = await client.next('error')
  t.equal(error.code, 'invalid_message')
  t.notOk('id' in error, 'an id that cannot be sent back')
  client.socket.send('{"type":"echo.any","id":1,"n":[1e308,12345678901234567890,1e-999]}')
  t.match(await client.next('reply'), { data: { n: [1e308, Number('12345678901234567890'), 0] } }, 'huge and tiny numbers')
  client.socket.send('{"type":"echo.any","id":2,"n":-1e999}')
  t.match(await client.next('reply'), { id: 2, data: { n: null } }, 'a number out of range in a field that nobody checks')
  t.equal(seen.at(-1)!.n, -Infinity)
})

t.test('a key "__proto__", and "prototype" below "constructor", is refused at every depth, however it is written', async (t) => {
  const { server, seen } = await startEcho(t)
  const client = await server.connect('alice')
  const texts = [
    '{"type":"echo.any","id":1,"__proto__":{"polluted":true}}',
    '{"type":"echo.any","id":1,"a":[{"b":{"__proto__":{"polluted":true}}}]}',
    '{"type":"echo.any","id":1,"\\u005f_proto__":{"polluted":true}}',
    '{"type":"echo.any","id":1,"__pr\\u006Fto__":null}',
    '{"type":"subscribe","id":1,"channel_ids":["a"],"__proto__":{"polluted":true}}',
    '{"type":"echo.any","id":1,"constructor":{"prototype":{"polluted":true}}}',
    '{"type":"echo.any","id":1,"a":[{"constructor":{"prototype":null}}]}',
    '{"type":"echo.any","id":1,"\\u0063onstructor":{"\\u0070rototype":{}}}'
  ]
  for (const text of texts) t.match(await fault(client, text), { code: 'invalid_message', id: 1, message: /__proto__/ }, text)
  t.equal(seen.length, 0)
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  const { data } = await client.request({ type: 'echo.any', text: 'the word __proto__ and a \\u005f', constructor: 'prototype', prototype: { constructor: {} }, ünïcode: '\u0001' })
  t.match(data, { text: 'the word __proto__ and a \\u005f', constructor: 'prototype', prototype: { constructor: {} }, ünïcode: '\u0001' }, 'anything but a key')
})

t.test('action stands in for a missing type in every kind of frame', async (t) => {
  const { server, seen } = await startEcho(t)
  const client = await server.connect('alice')
  t.match(await client.request({ action: 'ping', timestamp: 7 }), { type: 'reply', data: { timestamp: 7 } })
  t.match(await client.request({ action: 'connection' }), { type: 'reply', data: { user_id: 'alice' } })
  t.match(await client.request({ action: 'echo.any', n: 1 }), { type: 'reply', data: { type: 'echo.any', n: 1 } })
  t.equal(seen[0]!.type, 'echo.any')
  t.match(await client.request({ type: null, action: 'ping' }), { type: 'reply' })
  t.notOk('action' in seen[0]!, 'it is the type, and no field of its own')
  t.match(await client.request({ type: 'pinge', action: 'ping' }), { code: 'unknown_type' }, 'type comes first')
})

t.test('beside a type, action is a field like others', async (t) => {
  const { server, seen } = await startEcho(t)
  const { ws } = server.app
  ws.handle('doc.edit', { schema: Type.Object({ n: Type.Number() }) }, (message) => message)
  ws.handle('doc.act', { schema: Type.Object({ action: Type.String() }, { additionalProperties: false }) }, ({ action }) => action)
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'echo.any', action: 'insert' }), { type: 'reply', data: { type: 'echo.any', action: 'insert' } })
  t.equal(seen.at(-1)!.action, 'insert')
  t.match(await client.request({ type: 'doc.act', action: 'insert' }), { type: 'reply', data: 'insert' })
  const { data } = await client.request({ type: 'doc.edit', action: 'insert', n: 1 })
  t.match(data, { type: 'doc.edit', n: 1 })
  t.notOk('action' in data, 'the schema does not name it')
  t.match(await client.request({ type: 'ping', action: 'ping' }), { code: 'invalid_message', details: [{ path: '/action' }] })
})

t.test('peekId finds the id of a frame without parsing the rest', (t) => {
  const cases: Array<[string, unknown]> = [
    ['{"type":"ping","id":7}', 7],
    ['{"id" : "a\\"b","type":"ping"}', 'a"b'],
    ['{"data":{"id":1},"list":[{"id":2}],"text":"\\"id\\":3","id":-1.5e2}', -150],
    ['{"text":"id","other":"\\\\","id":"x"}', 'x'],
    ['{"type":"ping"}', undefined],
    ['{"id":{"id":1}}', undefined],
    ['{"id":true}', undefined],
    ['{"id":1e999}', undefined],
    ['{"id":--1}', undefined],
    ['{"id":"\\x"}', undefined],
    ['{"id', undefined],
    ['"id":1', undefined],
    ['', undefined]
  ]
  for (const [json, id] of cases) t.equal(peekId(json), id, json)
  const large = `{${Array.from({ length: 5_000 }, (_, i) => `"key-${i}":[{}]`).join()},"id":1}`
  const parse = t.capture(JSON, 'parse', JSON.parse)
  t.equal(peekId(large), 1)
  t.same(parse().map(({ args }) => args), [['1']], 'nothing else is built')
  t.end()
})
