import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { startApp, type TestApp } from '../fixtures/app.js'
import { selfSigned } from '../fixtures/certificate.js'
import { Gate } from '../fixtures/gate.js'

/** `npm run test:drain` sets it; without, it is the short form. */
const ROUNDS = Number(process.env.DRAIN_ROUNDS ?? 5)

/** One HTTP/1.1 connection, on which the test writes what it likes. */
class Caller {
  readonly socket: Socket
  readonly answer: Promise<string>

  constructor ({ port, protocol }: URL) {
    this.socket = protocol === 'https:' ? connectTls({ port: Number(port), rejectUnauthorized: false }) : connect(Number(port), '127.0.0.1')
    let text = ''
    this.socket.setEncoding('latin1').on('data', (data) => { text += data })
    this.answer = new Promise((resolve) => { this.socket.on('close', () => resolve(text)) })
    this.socket.on('error', () => {})
  }
}

/** Opens a connection, and waits until Node has accepted it. */
async function accepted (app: TestApp['app'], origin: URL): Promise<Caller> {
  const connection = once(app.server, 'connection')
  const caller = new Caller(origin)
  await connection
  return caller
}

const BODY = JSON.stringify({ message: { type: 'x.y', text: 'z'.repeat(1_000) } })
const head = (line: string, more = '') => `${line} HTTP/1.1\r\nhost: 127.0.0.1\r\n${more}`

/** Requests of all kinds: what is sent before the node closes, and the rest. */
function kinds (authorization: string): Record<string, [before: string, after: string]> {
  const auth = `authorization: Bearer ${authorization}\r\n`
  const post = head('POST /ws/broadcast', `${auth}content-type: application/json\r\ncontent-length: ${BODY.length}\r\n`)
  const chunked = head('POST /ws/broadcast', `${auth}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`)
  return {
    'a whole request': ['', head('GET /ws/status', `${auth}\r\n`)],
    'a POST': ['', `${post}\r\n${BODY}`],
    'the rest of a head': [post.slice(0, 40), `${post.slice(40)}\r\n${BODY}`],
    'a body': [`${post}\r\n`, BODY],
    'the rest of a body': [`${post}\r\n${BODY.slice(0, 100)}`, BODY.slice(100)],
    'the rest of a chunked body': [`${chunked}${BODY.length.toString(16)}\r\n`, `${BODY}\r\n0\r\n\r\n`],
    'nothing more': [`${post}\r\n${BODY}`, ''],
    'nothing more, of what is still worked on': [head('GET /slow', '\r\n'), '']
  }
}

async function drained (t: Test, secure: object = {}): Promise<void> {
  const gate = new Gate()
  const server = await startApp(t, {}, {
    fastify: { return503OnClosing: false, ...secure },
    after: (app) => { app.get('/slow', async () => { await gate.wait(); return 'done' }) }
  })
  const origin = new URL(server.origin)
  const all = Object.entries(kinds(server.token('admin', { roles: ['ws:admin'] })))
  const callers = await Promise.all(all.map(async ([, [before]]) => {
    const caller = await accepted(server.app, origin)
    caller.socket.write(before)
    return caller
  }))
  await gate.reached
  // As the example app does.
  server.app.server.close()
  const closed = server.app.close()
  // In the turn in which it closes, a little later, and when all sockets are gone.
  const turns = Math.floor(Math.random() * 20)
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
  callers.forEach(({ socket }, n) => socket.write(all[n]![1][1]))
  gate.open()
  for (const [n, { answer }] of callers.entries()) t.match(await answer, /^HTTP\/1\.1 200 /, all[n]![0])
  await closed
}

const https = selfSigned()

for (let round = 1; round <= ROUNDS; round++) {
  t.test(`a closing node answers what it has accepted, round ${round}`, (t) => drained(t))
  if (round % 5 === 0) t.test(`a closing node answers what it has accepted over TLS, round ${round}`, (t) => drained(t, { https }))
}

t.test('a closing node answers a request whose body is still arriving over HTTP/2', async (t) => {
  const server = await startApp(t, {}, { fastify: { return503OnClosing: false, http2: true, https } })
  const session = connectHttp2(server.origin, { rejectUnauthorized: false })
  const authorization = `Bearer ${server.token('admin', { roles: ['ws:admin'] })}`
  const begun = once(server.app.server, 'request')
  const stream = session.request({ ':method': 'POST', ':path': '/ws/broadcast', 'content-type': 'application/json', authorization })
  stream.write(BODY.slice(0, 100))
  await begun
  const headers = once(stream, 'response')
  const closed = server.app.close()
  stream.end(BODY.slice(100))
  t.match(await headers, [{ ':status': 200 }])
  await text(stream)
  session.close()
  await closed
})

t.test('a connection on which nothing arrives delays the close by a second at most', async (t) => {
  const server = await startApp(t, {}, { fastify: { return503OnClosing: false } })
  const idle = await accepted(server.app, new URL(server.origin))
  const from = performance.now()
  await server.app.close()
  t.equal(await idle.answer, '')
  t.ok(performance.now() - from < 3_000)
})

t.test('a body that goes on arriving is cut after closeTimeoutMs', async (t) => {
  const server = await startApp(t, { closeTimeoutMs: 500 }, { fastify: { return503OnClosing: false, bodyLimit: 10_000_000 } })
  const endless = await accepted(server.app, new URL(server.origin))
  const authorization = server.token('admin', { roles: ['ws:admin'] })
  endless.socket.write(head('POST /ws/broadcast', `authorization: Bearer ${authorization}\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n`))
  const drip = setInterval(() => endless.socket.write(' '), 20)
  t.teardown(() => clearInterval(drip))
  const from = performance.now()
  await server.app.close()
  t.equal(await endless.answer, '')
  t.ok(performance.now() - from < 3_000)
})
