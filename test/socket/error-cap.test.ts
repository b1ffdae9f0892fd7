import { readFile } from 'node:fs/promises'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { ErrorCap } from '../../lib/socket/error-cap.js'
import { errors, AppError, errorCodes } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'

/** Sends so many faulty frames, of every kind. */
function misbehave (client: TestClient, times: number): void {
  const faulty = ['no JSON', '[]', '{"type":"pinge"}', '{"type":"ping","evil":1}', '{"type":"subscribe","user_id":"bob"}']
  for (let i = 0; i < times; i++) client.socket.send(faulty[i % faulty.length]!)
}

t.test('the tenth error within a minute closes the socket with 1008, and nine do not', async (t) => {
  const server = await startApp(t)
  const bystander = await server.connect('alice')
  const client = await server.connect('alice')
  misbehave(client, 9)
  await client.settled()
  t.equal(client.count('error'), 9)
  misbehave(client, 5)
  t.same(await client.closed, { code: 1008, reason: 'Too many errors within a minute' })
  t.equal(client.count('error'), 10, 'the tenth is told, and what is behind it is not read')
  await bystander.settled()
  t.equal(bystander.count('error'), 0, 'another socket of the same user is not closed')
})

t.test('limits.maxErrorsPerMinute sets the number of errors that close a socket', async (t) => {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1 } })
  const client = await server.connect('alice')
  misbehave(client, 1)
  t.equal((await client.closed).code, 1008)
  t.equal(client.count('error'), 1)
})

t.test('errors of the server do not count towards limits.maxErrorsPerMinute', async (t) => {
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.handle('do.break', { schema: Type.Object({}) }, () => { throw new Error('broken') })
      ws.handle('do.overload', { schema: Type.Object({}) }, () => { throw new errors.UnavailableError('later') })
      ws.handle('do.answer', { schema: Type.Object({}), reply: Type.String() }, () => 1 as unknown as string)
      ws.handle('do.send', { schema: Type.Object({}) }, (_message, { send }) => send({ no: 'type' }))
      ws.handle('do.call', { schema: Type.Object({}) }, () => { throw new errors.UpgradeRequiredError() })
      ws.handle('do.late', { schema: Type.Object({}) }, (_message, { reply }) => {
        reply(1)
        throw new errors.ForbiddenError('late')
      })
      ws.handle('do.ask', { schema: Type.Object({}), authorize: () => { throw new Error('a hook that fails') } }, () => {})
    }
  })
  const client = await server.connect('alice')
  const codes = {
    'do.break': 'internal', 'do.overload': 'unavailable', 'do.answer': 'internal', 'do.send': 'internal', 'do.call': 'internal', 'do.ask': 'unavailable'
  }
  for (let i = 0; i < 10; i++) {
    for (const [type, code] of Object.entries(codes)) t.match(await client.request({ type }), { type: 'error', code })
    t.match(await client.request({ type: 'do.late' }), { type: 'reply' })
  }
  misbehave(client, 9)
  await client.settled()
  misbehave(client, 1)
  t.equal((await client.closed).code, 1008)
})

t.test('only error codes that the table of PROTOCOL.md marks count towards limits.maxErrorsPerMinute', async (t) => {
  const protocol = await readFile(new URL('../../../schemas/PROTOCOL.md', import.meta.url), 'utf8')
  const rows = [...protocol.matchAll(/^\| `([a-z_]+)` \| (yes|no) \|/gm)].map(([, code, counts]) => [code!, counts!] as const)
  t.same(rows.map(([code]) => code), errorCodes, 'the table has a row for each code')
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 2 } }, {
    after: ({ ws }) => {
      ws.handle('do.fail', { schema: Type.Object({ code: Type.String() }) }, ({ code }) => {
        throw Object.assign(new errors.InternalError(), { code: `WSM_ERR_${code.toUpperCase()}` })
      })
      ws.handle('do.own', { schema: Type.Object({}) }, () => { throw new AppError('OWN', 'The app\'s', { statusCode: 400 }) })
    }
  })
  for (const [code, counts] of rows) {
    const client = await server.connect('alice')
    for (let n = 0; n < 2; n++) t.match(await client.request({ type: 'do.fail', code }), { type: 'error', code })
    if (counts === 'yes') t.same(await client.closed, { code: 1008, reason: 'Too many errors within a minute' }, code)
    else t.match(await client.request({ type: 'ping' }), { type: 'reply' }, code)
  }
  const client = await server.connect('alice')
  for (let n = 0; n < 3; n++) t.match(await client.request({ type: 'do.own' }), { type: 'error', code: 'OWN', app: true })
})

t.test('answers to confirmations that are settled never close the socket', async (t) => {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 2 } })
  const alice = await server.connect('alice')
  for (let n = 0; n < 3; n++) {
    const asked = server.app.ws.notifyUser({ step: 'check', message: 'Go on?' }, { userId: 'alice', taskId: `task-${n}` })
    const { callback_id } = await alice.next('task_step_result')
    t.match(await server.rest('POST', `/ws/confirmations/${callback_id}`, { as: 'alice', body: { proceed: true } }), { status: 200 })
    await asked
    t.match(await alice.request({ type: 'confirm', callback_id, proceed: true }), { code: 'already_settled' })
    t.match(await alice.request({ type: 'confirm', callback_id: 'forgotten', proceed: true }), { code: 'not_found' })
  }
  t.match(await alice.request({ type: 'ping' }), { type: 'reply' })
})

t.test('each error stops counting a minute after it happened', async (t) => {
  const cap = new ErrorCap(3)
  t.equal(cap.hit(0), false)
  t.equal(cap.hit(30_000), false)
  t.equal(cap.hit(60_000), false, 'the first is a minute old')
  t.equal(cap.hit(89_999), true, 'three within 59 999 ms')
  t.equal(cap.hit(200_000), false)
  t.equal(cap.hit(200_000), false)
  t.equal(cap.hit(200_000), true)
  const strict = new ErrorCap(1)
  t.equal(strict.hit(), true, 'by the clock of the process')
})
