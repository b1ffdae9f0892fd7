import { Type, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'

t.test('a handler or a message with a pattern that is not bounded cannot be registered', async (t) => {
  const { app: { ws } } = await startApp(t)
  const bad: Array<[TSchema, RegExp]> = [
    [Type.String({ pattern: '^a+$' }), /the pattern \^a\+\$ without a maxLength of 1000/],
    [Type.String({ pattern: '^a+$', maxLength: 1_001 }), /without a maxLength/],
    [Type.RegExp(/^a+$/), /without a maxLength/],
    [Type.String({ pattern: '^(a+)+$', maxLength: 100 }), /which takes too long on texts of 100 characters/],
    [Type.RegExp(/^(a|a)*$/, { maxLength: 100 }), /which takes too long/],
    [Type.TemplateLiteral('${string}@${string}'), /template literal of any length/], // eslint-disable-line no-template-curly-in-string
    [Type.Record(Type.String({ pattern: '^(a+)+$' }), Type.Number()), /keys of the pattern/],
    [Type.Array(Type.Union([Type.Null(), Type.Object({ deep: Type.String({ pattern: 'x' }) })])), /the pattern x/]
  ]
  for (const [schema, message] of bad) {
    const fault = { code: 'WSM_ERR_INVALID_HANDLER', message }
    t.throws(() => ws.handle('test.bad', { schema: Type.Object({ value: schema }) }, () => {}), fault)
    t.throws(() => ws.handle('test.bad', { schema: Type.Object({}), reply: schema }, () => {}), fault)
    t.throws(() => ws.declare('test.bad', Type.Object({ type: Type.Literal('test.bad'), value: schema })), fault)
    const asked = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', answer: schema })
    await t.rejects(asked, { code: 'WSM_ERR_INVALID_MESSAGE', message })
  }
})

t.test('bounded ones can, and are checked', async (t) => {
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
