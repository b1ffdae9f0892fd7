import { gzipSync } from 'node:zlib'
import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp, type AppOptions, type TestApp } from '../fixtures/app.js'
import { decompressBodies } from '../fixtures/decompression.js'
import { askStored } from '../fixtures/questions.js'
import { RawClient } from '../fixtures/raw-client.js'

const TOO_DEEP = { status: 400, body: { code: 'WSM_ERR_TOO_DEEP', message: 'The message is nested deeper than 32 levels' } }
/** So many levels of arrays. */
const nested = (levels: number, inner = '') => '['.repeat(levels) + inner + ']'.repeat(levels)
const call: AppOptions['after'] = ({ ws }) => ws.handle('app.act', { schema: Type.Object({}), rest: true }, () => 'done')

/** What the routes are sent, with a value as deep as that in it. */
async function bodies (server: TestApp): Promise<[path: string, body: (levels: number) => string][]> {
  const { id } = await askStored(server, 'admin')
  const message = (levels: number) => `{"message":{"type":"app.news","data":${nested(levels - 2)}}}`
  return [
    ['/ws/broadcast', message], ['/ws/users/alice/messages', message], ['/ws/channels/room/messages', message],
    ['/ws/call/app.act', (levels) => `{"data":${nested(levels - 1)}}`], [`/ws/confirmations/${id}`, (levels) => `{"proceed":true,"answer":${nested(levels - 1)}}`]
  ]
}

t.test('a body may be as deep as a frame, whatever its route', async (t) => {
  const server = await startApp(t, {}, { after: call })
  const all = await bodies(server)
  for (const [path, body] of all) t.match(await server.rest('POST', path, { body: body(33) }), TOO_DEEP, path)
  t.match(await server.rest('POST', '/ws/revocations', { body: nested(33) }), TOO_DEEP)
  t.equal(server.app.ws.getStatus().rejected.depth, all.length + 1)
  for (const [path, body] of all) t.equal((await server.rest('POST', path, { body: body(32) })).status, 200, path)
  const text = JSON.stringify('{[\\"'.repeat(100))
  t.equal((await server.rest('POST', '/ws/call/app.act', { body: `{"a":${text},"b":[${text},{"c":[]}],"d":${JSON.stringify([{}, [], {}, []].concat(Array(100).fill({})))}}` })).status, 200, 'brackets in texts, and beside each other, are no levels')
  t.match(await server.rest('POST', '/ws/call/app.act', { body: `{"a":${text},"b":${nested(32)}}` }), TOO_DEEP)
})

t.test('a body that is too deep is refused before all of it has arrived', async (t) => {
  const server = await startApp(t)
  // Over HTTP/1.1 also where the server speaks 2.
  const client = await RawClient.to(t, server)
  client.socket.write(`POST /ws/broadcast HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${server.token('admin', { roles: ['ws:admin'] })}\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n${'['.repeat(33)}`)
  const [chunk] = await once(client.socket, 'data')
  t.match(String(chunk), /^HTTP\/1.1 400[^]*WSM_ERR_TOO_DEEP/)
  // The rest of it fails without a listener of Fastify's.
  client.reset()
  t.equal((await server.rest('GET', '/ws/status')).status, 200)
})

t.test('a body that ends early is a fault of its sender only', async (t) => {
  const server = await startApp(t)
  const client = await RawClient.to(t, server)
  const begun = once(server.app.server, 'request')
  client.socket.write(`POST /ws/broadcast HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${server.token('admin', { roles: ['ws:admin'] })}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a`)
  const [request] = await begun
  const closed = once(request, 'close')
  client.reset()
  await closed.catch(() => {})
  t.equal((await server.rest('GET', '/ws/status')).status, 200)
  t.same(server.logs.filter(({ level }) => level >= 50), [])
})

t.test('a body that ends early is a fault of its sender if the host decompresses bodies, too', async (t) => {
  const server = await startApp(t, {}, { before: decompressBodies, after: call })
  const send = (body: string) => server.rest('POST', '/ws/call/app.act', {
    as: 'alice', body: gzipSync(body), headers: { 'content-type': 'application/json; charset=utf-8', 'content-encoding': 'gzip' }
  })
  t.equal((await send(`{"data":${nested(31)}}`)).status, 200)
  t.equal((await send(`{"data":${nested(32)}}`)).status, 400)
})

t.test('a question or task result of the app is kept only if it can be shown again', async (t) => {
  const server = await startApp(t)
  const { ws } = server.app
  const deep = JSON.parse(nested(4_000))
  await t.rejects(ws.notifyUser({ step: 1, message: 'Go on?', result: deep }, { userId: 'alice', taskId: 'task-1' }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /nested deeper than 1000 levels/ })
  const { task } = await ws.tasks.start({ userId: 'alice' })
  await t.rejects(ws.tasks.done(task.task_id, deep), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  await ws.tasks.done(task.task_id, JSON.parse(nested(1_000)))
  const { id } = await askStored(server, 'alice', { taskId: 'task-2' })
  const by = { user_id: 'alice', client_id: null }
  for (const answer of [deep, 10n]) await t.rejects(ws.confirmations.answer(id, { proceed: true, answer }, by), { code: 'WSM_ERR_INVALID_MESSAGE' })
  await ws.confirmations.answer(id, { proceed: true, answer: JSON.parse(nested(1_000)) }, by)
  t.equal((await server.rest('GET', '/ws/confirmations', { as: 'alice' })).status, 200)
  t.equal((await server.rest('GET', `/ws/tasks/${task.task_id}`, { as: 'alice' })).status, 200)
})
