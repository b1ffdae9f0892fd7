import { once } from 'node:events'
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { startApp, type TestApp } from '../fixtures/app.js'
import { selfSigned } from '../fixtures/certificate.js'
import { Gate } from '../fixtures/gate.js'
import { until } from '../fixtures/until.js'

/** `npm run test:drain` sets it; without, it is the short form. */
const ROUNDS = Number(process.env.DRAIN_ROUNDS ?? 5)

/** One HTTP/1.1 connection, on which the test writes what it likes. */
class Caller {
  readonly socket: Socket
  /** All that it was answered, when it has ended. */
  readonly answer: Promise<string>
  /** What it was answered until now. */
  text = ''

  constructor ({ port, protocol }: URL) {
    this.socket = protocol === 'https:' ? connectTls({ port: Number(port), rejectUnauthorized: false }) : connect(Number(port), '127.0.0.1')
    this.socket.setEncoding('latin1').on('data', (data) => { this.text += data })
    this.answer = new Promise((resolve) => { this.socket.on('close', () => resolve(this.text)) })
    this.socket.on('error', () => {})
  }

  /** Writes, and where that is a whole request waits for its answer. */
  async begin ({ before, isAnsweredBefore = false }: Kind): Promise<void> {
    this.socket.write(before)
    if (isAnsweredBefore) await until(() => this.text.includes('\r\n\r\n'))
  }
}

interface Kind {
  /** What is sent before the node closes. */
  before: string
  /** The rest. */
  after: string
  /** How many requests that is; default 1. */
  requests?: number
  /** True if what is sent before is answered before, too. */
  isAnsweredBefore?: boolean
  /** True if the last answer may have been written before the node closed, and cannot tell that the connection ends. */
  mayBeWrittenBefore?: boolean
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

/** Requests of all kinds. */
function kinds (authorization: string): Record<string, Kind> {
  const auth = `authorization: Bearer ${authorization}\r\n`
  const get = head('GET /ws/status', `${auth}\r\n`)
  const slow = head('GET /slow', '\r\n')
  const sync = head('GET /sync', '\r\n')
  const post = head('POST /ws/broadcast', `${auth}content-type: application/json\r\ncontent-length: ${BODY.length}\r\n`)
  const chunked = head('POST /ws/broadcast', `${auth}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`)
  const whole = `${post}\r\n${BODY}`
  return {
    'a whole request': { before: '', after: get },
    'a POST': { before: '', after: whole },
    'the rest of a head': { before: post.slice(0, 40), after: `${post.slice(40)}\r\n${BODY}` },
    'a body': { before: `${post}\r\n`, after: BODY },
    'the rest of a body': { before: `${post}\r\n${BODY.slice(0, 100)}`, after: BODY.slice(100) },
    'the rest of a chunked body': { before: `${chunked}${BODY.length.toString(16)}\r\n`, after: `${BODY}\r\n0\r\n\r\n` },
    'nothing more': { before: whole, after: '', mayBeWrittenBefore: true },
    'nothing more, of what is still worked on': { before: slow, after: '' },
    'the next request of a kept-alive connection': { before: get, after: whole, requests: 2, isAnsweredBefore: true },
    'several next requests of a kept-alive connection': { before: get, after: sync + whole + sync + get, requests: 5, isAnsweredBefore: true },
    'a pipeline behind what is still worked on': { before: slow + get + whole + slow + get, after: '', requests: 5, mayBeWrittenBefore: true },
    'a pipeline whose last request is still worked on': { before: slow + get + slow, after: '', requests: 3 },
    'a pipeline that goes on': { before: slow + get + post.slice(0, 40), after: `${post.slice(40)}\r\n${BODY}${sync}${get}`, requests: 5 },
    'half a head behind what is still worked on': { before: slow + post.slice(0, 40), after: `${post.slice(40)}\r\n${BODY}`, requests: 2 },
    'a pipeline that comes late': { before: '', after: sync + get + sync + whole + sync, requests: 5 }
  }
}

async function drained (t: Test, secure: object = {}): Promise<void> {
  const gate = new Gate()
  const server = await startApp(t, {}, {
    fastify: { return503OnClosing: false, ...secure },
    after: (app) => {
      app.get('/slow', async () => { await gate.wait(); return 'done' })
      app.get('/sync', (_request, reply) => { reply.send('at once') })
    }
  })
  const origin = new URL(server.origin)
  const all = Object.entries(kinds(server.token('admin', { roles: ['ws:admin'] })))
  const callers: Caller[] = []
  // One by one: otherwise the next to be accepted may be another's.
  for (const [, kind] of all) {
    const caller = await accepted(server.app, origin)
    await caller.begin(kind)
    callers.push(caller)
  }
  await gate.reached
  // As the example app does.
  server.app.server.close()
  const closed = server.app.close()
  // A kept-alive connection has but a moment.
  const finish = (isSoon: boolean) => callers.forEach(({ socket }, n) => { if ((all[n]![1].isAnsweredBefore === true) === isSoon) socket.write(all[n]![1].after) })
  finish(true)
  // In the turn in which it closes, a little later, and when all sockets are gone.
  const turns = Math.floor(Math.random() * 20)
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
  finish(false)
  gate.open()
  for (const [n, { answer }] of callers.entries()) {
    const [name, { requests = 1, mayBeWrittenBefore = false }] = all[n]!
    const heads = (await answer).split('HTTP/1.1 ').slice(1)
    t.same(heads.map((text) => text.slice(0, 4)), Array(requests).fill('200 '), name)
    const closes = heads.map((text) => /^connection: close\r$/im.test(text))
    t.ok(closes.slice(0, -1).every((isLast) => !isLast), `${name}: no answer but the last says that it is`)
    if (!mayBeWrittenBefore) t.equal(closes.at(-1), true, `${name}: the last answer says that the connection ends`)
  }
  await closed
}

const https = selfSigned()

for (let round = 1; round <= ROUNDS; round++) {
  t.test(`a closing node answers the requests that it has accepted, round ${round}`, (t) => drained(t))
  if (round % 5 === 0) t.test(`a closing node answers the requests that it has accepted over TLS, round ${round}`, (t) => drained(t, { https }))
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

t.test('a closing node answers the next request of an HTTP/2 session, including its first', async (t) => {
  const server = await startApp(t, {}, { fastify: { return503OnClosing: false, http2: true, https } })
  const open = async () => {
    const accepted = once(server.app.server, 'session')
    const session = connectHttp2(server.origin, { rejectUnauthorized: false })
    await Promise.all([once(session, 'connect'), accepted])
    return session
  }
  const ask = async (session: ClientHttp2Session) => {
    const stream = session.request({ ':path': '/ws/status', authorization: `Bearer ${server.token('admin', { roles: ['ws:admin'] })}` })
    const [headers] = await once(stream, 'response')
    await text(stream)
    return headers[':status']
  }
  const [fresh, used, idle, silent] = [await open(), await open(), await open(), await open()]
  t.equal(await ask(used), 200)
  t.equal(await ask(idle), 200)
  const ended = Promise.all([fresh, used, idle, silent].map((session) => once(session, 'close')))
  const closed = server.app.close()
  t.same(await Promise.all([ask(used), ask(fresh)]), [200, 200])
  await ended
  await closed
})

t.test('a silent connection delays the close by at most a second, and a body may pause meanwhile', async (t) => {
  const server = await startApp(t, {}, { fastify: { return503OnClosing: false } })
  const origin = new URL(server.origin)
  const paused = await accepted(server.app, origin)
  const authorization = server.token('admin', { roles: ['ws:admin'] })
  const begun = once(server.app.server, 'request')
  paused.socket.write(head('POST /ws/broadcast', `authorization: Bearer ${authorization}\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n{`))
  await begun
  const idle = await accepted(server.app, origin)
  const from = performance.now()
  const closed = server.app.close()
  t.equal(await idle.answer, '')
  t.ok(performance.now() - from < 3_000)
  paused.socket.write(BODY.slice(1))
  t.match(await paused.answer, /^HTTP\/1\.1 200 [^]*^connection: close\r$/im)
  await closed
})

t.test('a keep-alive connection ends shortly after its server was closed, whether or not the app closes', async (t) => {
  const server = await startApp(t)
  const caller = await accepted(server.app, new URL(server.origin))
  await caller.begin({ before: head('GET /ws/health', '\r\n'), after: '', isAnsweredBefore: true })
  server.app.server.close()
  t.match(await caller.answer, /^HTTP\/1\.1 200 /)
  t.equal(server.app.ws.getHealth().status, 'healthy')
})

t.test('requests pipelined after closeTimeoutMs are cut behind the responses before them', async (t) => {
  const gate = new Gate()
  const asked: string[] = []
  const server = await startApp(t, { closeTimeoutMs: 50 }, {
    fastify: { return503OnClosing: false },
    after: (app) => {
      app.addHook('onRequest', async ({ url }) => { asked.push(url) })
      app.get('/slow', async () => { await gate.wait(); return 'done' })
    }
  })
  const origin = new URL(server.origin)
  const late = [head('GET /late', '\r\n'), head('GET /late')]
  const callers: Array<{ caller: Caller, socket: Socket }> = []
  for (const begin of [head('GET /slow', '\r\n'), head('GET /slow', '\r\n'), head('POST /ws/broadcast', 'content-length: 10\r\n\r\n')]) {
    const connection = once(server.app.server, 'connection')
    const caller = new Caller(origin)
    const [socket] = await connection
    caller.socket.write(begin)
    callers.push({ caller, socket })
  }
  await until(() => asked.length === 3)
  const closed = server.app.close()
  // It is cut when the time is over.
  await callers[2]!.caller.answer
  for (const [n, text] of late.entries()) {
    const { caller, socket } = callers[n]!
    const received = socket.bytesRead + text.length
    caller.socket.write(text)
    await until(() => socket.bytesRead === received)
  }
  gate.open()
  for (const { caller } of callers.slice(0, 2)) t.match(await caller.answer, /^HTTP\/1\.1 200 [^]*^connection: close\r$/im)
  t.notOk(asked.includes('/late'))
  await closed
})

t.test('a body that keeps arriving is cut after closeTimeoutMs', async (t) => {
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
