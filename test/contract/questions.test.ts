import { randomUUID } from 'node:crypto'
import { FormatRegistry, Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { defineContract } from '../../lib/contract/contract.js'
import { MemoryConfirmationStore } from '../../lib/engine/memory/confirmations.js'
import { redis } from '../../lib/engine/redis/redis.js'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { Gate } from '../fixtures/gate.js'
import { RedisServer } from '../fixtures/redis.js'

const contract = defineContract({
  confirmations: { 'train.failed': { data: Type.Object({ epoch: Type.Integer() }), answer: Type.Object({ gpu: Type.String() }) }, 'train.over': {} }
})
const failed = { kind: 'train.failed', to: { user: 'alice' }, message: 'Again?', data: { epoch: 3 } }
const start = (t: Test, options: WsPluginOptions = {}) => startApp(t, { contract, ...options })

t.test('a question of the contract shows its facts, and takes the answer that the contract describes', async (t) => {
  const server = await start(t)
  const { confirmations } = server.app.ws
  const alice = await server.connect('alice')
  const question = await confirmations.ask(failed)
  const frame = await alice.next('task_step_result')
  t.match(frame, { callback_id: question.callbackId, kind: 'train.failed', step: 'train.failed', task_id: null, message: 'Again?', data: { epoch: 3 }, answer_schema: { type: 'object', required: ['gpu'] } })
  t.match(await confirmations.get(question.callbackId), { status: 'pending', task_id: null }, 'it is stored')
  t.match(await confirmations.list({ userId: 'alice' }), { confirmations: [{ callback_id: question.callbackId }] })
  const answer = (given: unknown) => alice.request({ type: 'confirm', callback_id: question.callbackId, proceed: true, answer: given })
  t.match(await answer({ gpu: 7 }), { code: 'invalid_message', details: [{ path: '/answer/gpu' }] })
  t.match(await answer({ gpu: 'a100' }), { type: 'reply' })
  for (let times = 0; times < 2; times++) t.match(await question.settled(), { outcome: 'confirmed', answer: { gpu: 'a100' }, answered_by: { user_id: 'alice' } })
  t.match(await alice.next('confirmation_closed'), { task_id: null })
})

t.test('a question that the contract does not describe is refused by name', async (t) => {
  const { app: { ws: { confirmations } } } = await start(t)
  const refused = (question: object, message: string) => t.rejects(confirmations.ask({ ...failed, ...question }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: `ws.confirmations.ask(): question.${message}` })
  await refused({ kind: 'train.lost' }, 'kind: "train.lost" is not a kind of the contract')
  await refused({ kind: 'lost' }, 'kind: ')
  await refused({ data: { epoch: 'three' } }, 'data.epoch: Expected integer')
  await refused({ data: undefined }, 'data: ')
  await refused({ answer: Type.String() }, 'answer: the contract has the schema of the answer')
  await refused({ to: { users: ['alice'] } }, 'to.')
  await refused({ kind: 'train.over', data: { any: 'thing' } }, 'data: a question of the kind "train.over" has none by the contract')
  await t.resolves(confirmations.ask({ kind: 'train.over', to: { user: 'alice' }, message: 'Well?' }))
})

t.test('the answer schema of a kind is compiled once, when the plugin is registered', async (t) => {
  const format = 'yes of this test'
  FormatRegistry.Set(format, () => true)
  const answer = Type.Object({ word: Type.String({ format }) })
  const { app: { ws: { confirmations } } } = await start(t, { contract: defineContract({ confirmations: { 'train.failed': { answer }, 'train.over': {} } }) })
  // A schema that is compiled from now on fails.
  FormatRegistry.Delete(format)
  const ask = async () => (await confirmations.ask({ ...failed, data: undefined })).callbackId
  const ids = [await ask(), await ask()]
  const [first, second] = await Promise.all(ids.map(async (id) => (await confirmations.get(id))!.question.answer_schema))
  t.equal(first, second, 'and its JSON is made once')
  t.throws(() => { (first as { type: unknown }).type = 'string' }, TypeError, 'so that no question changes another')
  t.strictSame(first, JSON.parse(JSON.stringify(answer)))
  const by = { user_id: 'alice', client_id: null }
  await t.rejects(confirmations.answer(ids[0]!, { proceed: true, answer: {} }, by), { code: 'WSM_ERR_INVALID_MESSAGE' })
  FormatRegistry.Set(format, (text) => text === 'yes')
  t.teardown(() => { FormatRegistry.Delete(format) })
  t.match(await confirmations.answer(ids[0]!, { proceed: true, answer: { word: 'yes' } }, by), { status: 'confirmed' })
})

t.test('a kind whose answer schema is false takes no answer of a person who proceeds', async (t) => {
  const { app: { ws } } = await start(t, { contract: { confirmations: { 'train.over': { answer: false as never } } } })
  const { callbackId } = await ws.confirmations.ask({ kind: 'train.over', to: { user: 'alice' }, message: 'Well?' })
  t.equal((await ws.confirmations.get(callbackId))!.question.answer_schema, false)
  t.equal(ws.asyncapi().components.schemas.TrainOverAnswer, false)
  const by = { user_id: 'alice', client_id: null }
  await t.rejects(ws.confirmations.answer(callbackId, { proceed: true, answer: 1 }, by), { code: 'WSM_ERR_INVALID_MESSAGE' })
  t.match(await ws.confirmations.answer(callbackId, { proceed: false }, by), { status: 'declined' })
})

t.test('without a contract a question has any kind, any data, and an answer schema of its own', async (t) => {
  const { app: { ws: { confirmations } } } = await startApp(t)
  const question = await confirmations.ask({ kind: 'train.failed', to: { user: 'alice' }, message: 'Again?', step: 2, taskId: 'train', answer: Type.Object({ gpu: Type.String() }) })
  t.match(await confirmations.get(question.callbackId), { task_id: 'train', question: { step: 2, kind: 'train.failed' } })
  const by = { user_id: 'alice', client_id: null }
  await t.rejects(confirmations.answer(question.callbackId, { proceed: true, answer: {} }, by), { code: 'WSM_ERR_INVALID_MESSAGE' })
  await confirmations.answer(question.callbackId, { proceed: true, answer: { gpu: 'a100' } }, by)
  const end = await question.settled()
  if (end.outcome === 'confirmed') t.equal(end.answer.gpu satisfies string, 'a100')
  await t.rejects(confirmations.ask({ kind: 'train.failed', to: { user: 'alice' }, message: 'Again?', answer: Type.Date() }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /question\.answer: The answer schema has a Type\.Date/ })
})

t.test('a wait for a question can be left, and the question goes on', async (t) => {
  const { app: { ws: { confirmations } } } = await start(t)
  const question = await confirmations.ask(failed)
  const leave = new AbortController()
  const left = question.settled({ signal: leave.signal })
  leave.abort(new Error('enough'))
  await t.rejects(left, { message: 'enough' })
  await t.rejects(question.settled({ signal: AbortSignal.abort(new Error('at once')) }), { message: 'at once' })
  await t.rejects(question.settled({ sginal: leave.signal } as object), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  t.match(await confirmations.get(question.callbackId), { status: 'pending' })
  const signal = new AbortController().signal
  const waited = question.settled({ signal })
  await confirmations.cancel(question.callbackId)
  t.match(await waited, { outcome: 'cancelled', proceed: false })
})

t.test('an answer is checked as its question says, also by a node with another version of the contract', async (t) => {
  const { port } = await RedisServer.start(t)
  const prefix = randomUUID()
  const version = (answer: object) => start(t, { engine: redis({ host: '127.0.0.1', port }, { prefix }), contract: { confirmations: { 'train.over': { answer } } } })
  const [older, newer] = await Promise.all([version(Type.Object({ gpu: Type.String() })), version(Type.Object({ gpus: Type.Integer() }))])
  const ask = async () => (await older.app.ws.confirmations.ask({ kind: 'train.over', to: { user: 'alice' }, message: 'Well?' })).callbackId
  const answer = async (server: TestApp, answer: object) => server.app.ws.confirmations.answer(await ask(), { proceed: true, answer }, { user_id: 'alice', client_id: null })
  for (const server of [older, newer]) {
    t.match(await answer(server, { gpu: 'a100' }), { status: 'confirmed', answer: { gpu: 'a100' } })
    await t.rejects(answer(server, { gpus: 2 }), { code: 'WSM_ERR_INVALID_MESSAGE' })
  }
})

t.test('asking with a signal that cannot be listened to rejects', async (t) => {
  const { app: { ws } } = await start(t)
  const signal = { aborted: false, addEventListener () { throw new Error('no listeners') }, removeEventListener () {} } as unknown as AbortSignal
  await t.rejects(ws.confirmations.ask({ ...failed, signal }), { message: 'no listeners' })
  t.equal(ws.getStatus().pending_callbacks, 0)
})

t.test('asking resolves when the question is stored, and rejects where it cannot be', async (t) => {
  const gate = new Gate()
  const { create } = MemoryConfirmationStore.prototype
  let isDown = false
  t.intercept(MemoryConfirmationStore.prototype, 'create', {
    value: async function (this: MemoryConfirmationStore, ...args: Parameters<typeof create>) {
      await gate.wait()
      if (isDown) throw new Error('out of reach')
      return create.apply(this, args)
    }
  })
  const server = await start(t)
  const { confirmations } = server.app.ws
  let isAsked = false
  const asked = confirmations.ask(failed).finally(() => { isAsked = true })
  await gate.reached
  await server.rest('GET', '/ws/health', { as: null })
  t.equal(isAsked, false)
  const gone = new AbortController()
  const aborted = confirmations.ask({ ...failed, signal: gone.signal })
  gone.abort()
  gate.open()
  t.match(await (await aborted).settled(), { outcome: 'aborted' })
  t.equal(typeof (await asked).callbackId, 'string')
  isDown = true
  await t.rejects(confirmations.ask(failed), { message: 'out of reach' })
  t.match(await (await confirmations.ask({ ...failed, signal: AbortSignal.abort() })).settled(), { outcome: 'aborted' }, 'it was never asked')
  await server.app.close()
  t.match(await (await asked).settled(), { outcome: 'closed', proceed: false })
})

t.test('a question ends at its time, although nobody waits for it', async (t) => {
  const { app: { ws } } = await start(t)
  const ended = new Promise<string>((resolve) => ws.on('confirmation_settled', ({ confirmation }) => resolve(confirmation.status)))
  await ws.confirmations.ask({ ...failed, timeoutMs: 20 })
  t.equal(await ended, 'expired')
})
