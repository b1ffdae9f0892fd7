import { Type, type TSchema } from '@sinclair/typebox'
import { RE2JS } from 're2js'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.js'
import { ask, pendingOf } from '../fixtures/questions.js'

t.test('a handler or a message with a pattern that is not bounded cannot be registered', async (t) => {
  const { app: { ws } } = await startApp(t)
  const bad: Array<[TSchema, RegExp]> = [
    [Type.String({ pattern: '^a+$' }), /the pattern \^a\+\$ without a maxLength of at most 1000/],
    [Type.String({ pattern: '^a+$', maxLength: 1_001 }), /without a maxLength/],
    [Type.RegExp(/^a+$/), /without a maxLength/],
    [Type.String({ pattern: '^(?=a)', maxLength: 100 }), /the pattern \^\(\?=a\), which cannot be matched in linear time: it has \(\?=, which is not a plain group/],
    [Type.RegExp(/^(a)\1$/, { maxLength: 100 }), /it has a backreference/],
    [Type.String({ pattern: '^(a?){300}a{300}$', maxLength: 700 }), /which is too complex for texts of 700 characters/],
    [Type.TemplateLiteral('${string}@${string}'), /template literal of unbounded length/], // eslint-disable-line no-template-curly-in-string
    [Type.Record(Type.String({ pattern: '^(?!a)' }), Type.Number()), /the pattern \^\(\?!a\), which cannot/],
    [Type.Array(Type.Union([Type.Null(), Type.Object({ deep: Type.String({ pattern: 'x' }) })])), /the pattern x/]
  ]
  for (const [schema, message] of bad) {
    const fault = { code: 'WSM_ERR_INVALID_HANDLER', message }
    t.throws(() => ws.handle('test.bad', { schema: Type.Object({ value: schema }) }, () => {}), fault)
    t.throws(() => ws.handle('test.bad', { schema: Type.Object({}), reply: schema }, () => {}), fault)
    t.throws(() => ws.declare('test.bad', Type.Object({ type: Type.Literal('test.bad'), value: schema })), fault)
    const asked = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', answer: schema })
    await t.rejects(asked, { code: 'WSM_ERR_INVALID_ARGUMENT', message })
  }
})

t.test('handlers and messages with bounded patterns can be registered, and the patterns are checked', async (t) => {
  const schema = Type.Object({
    name: Type.String({ pattern: '^[a-z]+$', maxLength: 20 }),
    code: Type.Optional(Type.RegExp(/^\d+$/, { maxLength: 5 })),
    colour: Type.Optional(Type.TemplateLiteral([Type.Literal('dark-'), Type.Union([Type.Literal('red'), Type.Literal('blue')])])),
    counts: Type.Optional(Type.Record(Type.String(), Type.Number())),
    byNumber: Type.Optional(Type.Record(Type.Number(), Type.Number())),
    pattern: Type.Optional(Type.String())
  })
  const server = await startApp(t, {}, { after: ({ ws }) => ws.handle('test.good', { schema }, () => 'handled') })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'test.good', name: 'anna', code: '12', colour: 'dark-red', counts: { a: 1 }, byNumber: { 1: 2 }, pattern: '^(a+)+$' }), { data: 'handled' })
  for (const wrong of [{ name: 'Anna' }, { name: 'a'.repeat(21) }, { name: 'a', code: 'x' }, { name: 'a', colour: 'dark-green' }]) {
    t.match(await client.request({ type: 'test.good', ...wrong }), { code: 'invalid_message' })
  }
})

/** The longest texts that the engine meets from now on. */
function watchEngine (t: Test): { longest: number } {
  const seen = { longest: 0 }
  const { test } = RE2JS.prototype
  RE2JS.prototype.test = function (text) {
    seen.longest = Math.max(seen.longest, text.length)
    return test.call(this, text)
  }
  t.teardown(() => { RE2JS.prototype.test = test })
  return seen
}

const Name = Type.String({ pattern: '^([a-z]+ ?)+$', maxLength: 20 })
const tooLong = 'a'.repeat(60) + '!'
const worst = 'a'.repeat(19) + '!'

t.test('a pattern is not run on a text beyond its maxLength, wherever it is in a schema', async (t) => {
  const seen = watchEngine(t)
  const sent: unknown[] = []
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000 } }, {
    after: ({ ws }) => {
      ws.declare('user.renamed', Type.Object({ type: Type.String(), name: Name }))
      ws.handle('user.rename', { schema: Type.Object({ name: Name }), rest: true }, () => 'renamed')
      ws.handle('user.reply', { schema: Type.Object({}), reply: Name }, () => tooLong)
      ws.handle('user.send', { schema: Type.Object({}) }, (_message, { send }) => {
        try {
          send({ type: 'user.renamed', name: tooLong })
        } catch (error) {
          sent.push(error)
        }
      })
    }
  })
  const { ws } = server.app
  const client = await server.connect('alice')
  const length = { path: '/name', message: 'Expected string length less or equal to 20' }
  t.match(await client.request({ type: 'user.rename', name: tooLong }), { code: 'invalid_message', details: [length] })
  t.match(await client.request({ type: 'walker', walker: 'user.rename', context: { name: tooLong } }), { code: 'invalid_message', details: [length] })
  t.match(await server.rest('POST', '/ws/call/user.rename', { as: 'alice', body: { name: tooLong } }), { status: 400, body: { details: [length] } })
  t.match(await client.request({ type: 'user.reply' }), { code: 'internal' })
  await client.request({ type: 'user.send' })
  t.match(sent, [{ code: 'WSM_ERR_INVALID_ARGUMENT', details: [length] }])
  await t.rejects(ws.broadcast({ type: 'user.renamed', name: tooLong }), { code: 'WSM_ERR_INVALID_ARGUMENT', details: [length] })
  t.match(await server.rest('POST', '/ws/broadcast', { body: { message: { type: 'user.renamed', name: tooLong } } }), { status: 400, body: { details: [length] } })
  t.match(await server.rest('GET', `/ws/clients?after=${'1'.repeat(82)}`), { status: 400, body: { details: [{ path: '/after', message: /length less or equal to 81/ }] } })
  ask(server, 'alice', { answer: Type.Object({ name: Name }) })
  const [{ callback_id: id }] = await pendingOf(server, 'alice') as unknown as [{ callback_id: string }]
  const answer = { proceed: true, answer: { name: tooLong } }
  t.match(await client.request({ type: 'confirm', callback_id: id, ...answer }), { code: 'invalid_message', details: [{ ...length, path: '/answer/name' }] })
  t.match(await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: answer }), { status: 400, body: { details: [{ ...length, path: '/answer/name' }] } })
  t.equal(seen.longest, 0)
  t.match(await client.request({ type: 'user.rename', name: worst }), { details: [{ message: "Expected string to match '^([a-z]+ ?)+$'" }] })
  t.equal(seen.longest, 20)
})

t.test('a frame of an unauthenticated socket is refused before its schema is checked', async (t) => {
  const seen = watchEngine(t)
  const server = await startApp(t, { auth: { firstFrame: true } }, { after: ({ ws }) => ws.handle('user.rename', { schema: Type.Object({ name: Name }) }, () => 'renamed') })
  const client = await server.dial('alice', { token: null }).opened()
  for (const name of [worst, tooLong, 'anna', 1]) t.match(await client.request({ type: 'user.rename', name }), { code: 'unauthorized' })
  t.equal(seen.longest, 0)
  t.match(await client.request({ type: 'auth', token: 1 }), { code: 'invalid_message', details: [{ path: '/token' }] }, 'the auth frame itself is')
  t.match(await client.request({ type: 'auth', token: server.token('alice') }), { type: 'reply' })
  t.match(await client.request({ type: 'user.rename', name: worst }), { code: 'invalid_message' })
})
