import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { startApp, type TestApp } from '../fixtures/app.js'
import { RawClient } from '../fixtures/raw-client.js'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** Changes to a good request; null: left out. A list: several lines. */
interface Change { line?: string, [header: string]: string | string[] | null | undefined }

/** The expected answer: its status, and parts of its head, with "no " those that must be absent. */
type Case = [name: string, change: Change, status: number, ...head: string[]]

/** RFC 6455 section 4.2, RFC 9110 section 7.8. */
const openings: Case[] = [
  ['a good one', {}, 101, 'upgrade: websocket', 'connection: upgrade', 'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'no sec-websocket-protocol', 'no sec-websocket-extensions'],
  ['Upgrade in any case', { upgrade: 'WebSocket' }, 101],
  ['Upgrade as the second of a list', { upgrade: 'h2c, websocket' }, 101, 'upgrade: websocket'],
  ['Upgrade as the first of a list', { upgrade: 'WEBSOCKET,h2c' }, 101],
  ['Upgrade in two lines', { upgrade: ['h2c', 'websocket'] }, 101],
  ['Upgrade with an empty element', { upgrade: ', websocket' }, 101],
  ['Upgrade to something else', { upgrade: 'h2c' }, 400],
  ['Upgrade to something longer', { upgrade: 'websockets' }, 400],
  ['Upgrade to a version of it', { upgrade: 'websocket/13' }, 400],
  ['no Upgrade', { upgrade: null }, 426, 'upgrade: websocket', 'sec-websocket-version: 13'],
  ['Connection in a list', { connection: 'keep-alive, Upgrade' }, 101],
  ['Connection in lower case', { connection: 'upgrade' }, 101],
  ['Connection without it', { connection: 'keep-alive' }, 426],
  ['no Connection', { connection: null }, 426],
  ['version 8, a draft\'s', { 'sec-websocket-version': '8' }, 426, 'sec-websocket-version: 13', 'upgrade: websocket'],
  ['version 99', { 'sec-websocket-version': '99' }, 426, 'sec-websocket-version: 13'],
  ['version 0', { 'sec-websocket-version': '0' }, 426],
  ['several versions', { 'sec-websocket-version': '13, 8' }, 426],
  ['a version in two lines', { 'sec-websocket-version': ['13', '13'] }, 426],
  ['a version with a zero before it', { 'sec-websocket-version': '013' }, 426],
  ['a version in hexadecimal', { 'sec-websocket-version': '0xd' }, 426],
  ['an empty version', { 'sec-websocket-version': '' }, 426],
  ['a version in words', { 'sec-websocket-version': 'thirteen' }, 426],
  ['a version with space around it', { 'sec-websocket-version': '  13 ' }, 101],
  ['no version', { 'sec-websocket-version': null }, 400],
  ['no key', { 'sec-websocket-key': null }, 400],
  ['an empty key', { 'sec-websocket-key': '' }, 400],
  ['a key of 15 bytes', { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAA' }, 400],
  ['a key of 17 bytes', { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAAA=' }, 400],
  ['a key in base64url', { 'sec-websocket-key': '-_AAAAAAAAAAAAAAAAAAAA==' }, 400],
  ['two keys', { 'sec-websocket-key': [KEY, KEY] }, 400],
  ['HTTP/1.0', { line: 'GET /ws HTTP/1.0' }, 400],
  ['HTTP/1.0 with Keep-Alive', { line: 'GET /ws HTTP/1.0', connection: 'keep-alive, Upgrade' }, 400],
  ['a later version in text', { line: 'GET /ws HTTP/2.0' }, 400],
  ['an absolute URI', { line: 'GET http://127.0.0.1/ws HTTP/1.1' }, 101],
  ['another method', { line: 'POST /ws HTTP/1.1' }, 404],
  ['no Host', { host: null }, 400],
  ['two of them', { host: ['127.0.0.1', '127.0.0.1'] }, 400],
  ['a query', { line: 'GET /ws?x=1 HTTP/1.1' }, 101],
  ['another path', { line: 'GET /other HTTP/1.1' }, 404],
  ['a page of another origin', { origin: 'https://evil.example' }, 403],
  ['no token', { authorization: null }, 401]
]

/** RFC 6455 sections 1.9, 4.2.2 and 11.3.4. */
const subprotocols: Case[] = [
  ['ours', { 'sec-websocket-protocol': 'ws-manager.v1' }, 101, 'sec-websocket-protocol: ws-manager.v1'],
  ['ours behind another', { 'sec-websocket-protocol': 'graphql-transport-ws, ws-manager.v1' }, 101, 'sec-websocket-protocol: ws-manager.v1'],
  ['ours in a second line', { 'sec-websocket-protocol': ['mqtt', 'ws-manager.v1'] }, 101, 'sec-websocket-protocol: ws-manager.v1'],
  ['only another', { 'sec-websocket-protocol': 'graphql-transport-ws' }, 101, 'no sec-websocket-protocol'],
  ['two others', { 'sec-websocket-protocol': 'mqtt, wamp.2.json' }, 101, 'no sec-websocket-protocol'],
  ['ours in another case', { 'sec-websocket-protocol': 'WS-Manager.V1' }, 101, 'no sec-websocket-protocol'],
  ['a later version', { 'sec-websocket-protocol': 'ws-manager.v2' }, 101, 'no sec-websocket-protocol'],
  ['the same twice', { 'sec-websocket-protocol': 'ws-manager.v1, ws-manager.v1' }, 400],
  ['an empty one between two', { 'sec-websocket-protocol': 'a,,b' }, 400],
  ['an empty list', { 'sec-websocket-protocol': '' }, 400],
  ['a name that is no token', { 'sec-websocket-protocol': 'ws manager' }, 400]
]

/** RFC 6455 section 9.1; RFC 7692 sections 5.1 and 7.1. What is answered where compression is on; where it is off, nothing is accepted. */
const extensions: Array<[offer: string | string[], accepted: string | null]> = [
  ['permessage-deflate', ''],
  ['permessage-deflate; server_no_context_takeover; client_no_context_takeover', ''],
  ['permessage-deflate; client_max_window_bits', ''],
  ['permessage-deflate; client_max_window_bits=10', '; client_max_window_bits=10'],
  ['permessage-deflate; server_max_window_bits="10"', '; server_max_window_bits=10'],
  ['permessage-deflate;server_max_window_bits=15', '; server_max_window_bits=15'],
  ['permessage-deflate; unknown, permessage-deflate', ''],
  ['permessage-deflate; server_max_window_bits=7, permessage-deflate; client_max_window_bits=9', '; client_max_window_bits=9'],
  ['x-webkit-deflate-frame, permessage-deflate', ''],
  [['x-other', 'permessage-deflate'], ''],
  [', permessage-deflate,', ''],
  ['permessage-deflate; unknown', null],
  ['permessage-deflate; unknown=1', null],
  ['permessage-deflate; toString', null],
  ['permessage-deflate; server_max_window_bits', null],
  ['permessage-deflate; server_max_window_bits=7', null],
  ['permessage-deflate; server_max_window_bits=16', null],
  ['permessage-deflate; server_max_window_bits=010', null],
  ['permessage-deflate; client_max_window_bits=wide', null],
  ['permessage-deflate; client_max_window_bits=0x0a', null],
  ['permessage-deflate; server_no_context_takeover=1', null],
  ['permessage-deflate; client_no_context_takeover="true"', null],
  ['permessage-deflate; client_max_window_bits; client_max_window_bits=10', null],
  ['permessage-deflate; server_no_context_takeover; server_no_context_takeover', null],
  ['Permessage-Deflate', null],
  ['x-webkit-deflate-frame', null],
  ['', null]
]
const malformed = ['permessage-deflate; =1', 'permessage-deflate; x=', 'permessage-deflate;', 'permessage deflate', 'a=b', 'x; y="', 'x; y="a b"', '; x']

/** The answer to a request that is good but for one change. */
async function answerTo (t: Test, server: TestApp, { line = 'GET /ws HTTP/1.1', ...changed }: Change): Promise<{ status: number, head: string }> {
  const client = await RawClient.to(t, server)
  const headers: Change = {
    host: new URL(server.origin).host,
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': KEY,
    authorization: `Bearer ${server.token('alice')}`,
    ...changed
  }
  const lines = Object.entries(headers).flatMap(([name, value]) => value == null ? [] : [value].flat().map((one) => `${name}: ${one}\r\n`))
  client.socket.write(`${line}\r\n${lines.join('')}\r\n`)
  const answer = await client.response()
  client.reset()
  return answer
}

async function check (t: Test, server: TestApp, cases: readonly Case[]): Promise<void> {
  await Promise.all(cases.map(async ([name, change, wanted, ...fields]) => {
    const { status, head } = await answerTo(t, server, change)
    t.equal(status, wanted, name)
    const lines = head.toLowerCase().split('\r\n')
    for (const field of fields) {
      if (field.startsWith('no ')) t.notOk(lines.some((line) => line.startsWith(`${field.slice(3)}:`)), `${name}: ${field}`)
      else t.ok(lines.includes(field.toLowerCase()), `${name}: ${field}`)
    }
  }))
}

t.test('the opening handshake follows RFC 6455', async (t) => {
  t.equal(createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
  await check(t, await startApp(t), openings)
})

t.test('only the plugin\'s subprotocol is selected, even if the host selects others', async (t) => {
  await check(t, await startApp(t), subprotocols)
  await check(t, await startApp(t, { rejectMode: 'close' }), [...subprotocols, ['refused', { authorization: null, 'sec-websocket-protocol': 'mqtt' }, 101, 'no sec-websocket-protocol']])
})

t.test('an unacceptable offer of compression is declined, and a malformed one is refused', async (t) => {
  for (const enabled of [true, false]) {
    const server = await startApp(t, { compression: { enabled } })
    await Promise.all(extensions.map(async ([offer, accepted]) => {
      const { status, head } = await answerTo(t, server, { 'sec-websocket-extensions': offer })
      t.equal(status, 101, `${offer}`)
      const answered = /^sec-websocket-extensions: (.*)$/im.exec(head)?.[1]
      const both = '; server_no_context_takeover; client_no_context_takeover'
      const sorted = (value: string) => value.split(';').map((part) => part.trim()).sort()
      if (accepted === null || !enabled) t.equal(answered, undefined, `${offer} is declined`)
      else t.same(sorted(answered!), sorted(`permessage-deflate${both}${accepted}`), `${offer} is accepted`)
    }))
    await check(t, server, malformed.map((offer) => [offer, { 'sec-websocket-extensions': offer }, 400]))
  }
})

t.test('an invalid handshake is refused with a JSON error and counted, even with rejectMode close', async (t) => {
  for (const rejectMode of ['http', 'close'] as const) {
    const server = await startApp(t, { rejectMode, limits: { connectionsPerIpPerMinute: 3 } })
    for (const [change, statusCode, code] of [[{ upgrade: 'h2c' }, 400, 'WSM_ERR_INVALID_HANDSHAKE'], [{ 'sec-websocket-version': '8' }, 426, 'WSM_ERR_UPGRADE_REQUIRED']] as const) {
      const client = await RawClient.to(t, server)
      client.upgrade('/ws', change)
      t.equal((await client.response()).status, statusCode)
      t.match(await client.body(), { statusCode, code })
    }
    t.equal((await server.connect('alice')).socket.protocol, 'ws-manager.v1')
    const late = await server.dial('alice').opened().then((client) => client.closed, (error) => error)
    t.match(late, rejectMode === 'http' ? { statusCode: 429 } : { code: 1013 })
    t.equal(server.app.ws.getConnectionCount(), 1)
  }
})
