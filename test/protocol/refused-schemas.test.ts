import { Type, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'

const nothing = () => null

t.test('a schema that no message of the type can match, or that cannot be used, is refused with its place', async (t) => {
  const { app: { ws } } = await startApp(t)
  const unreadable = new Proxy({}, { get () { throw new Error('not now') } })
  const typed = (type: TSchema) => Type.Object({ type })
  const other = 'describes messages of another type than "app.type"'
  const bad: Array<[schema: unknown, says: string]> = [
    [typed(Type.Literal('app.other')), `${other} (at /properties/type)`],
    [typed(Type.Number()), `${other} (at /properties/type)`],
    [typed(Type.Union([Type.Literal('app.other'), Type.Null()])), `${other} (at /properties/type)`],
    [Type.Union([Type.Object({}), typed(Type.Literal('app.other'))]), `${other} (at /anyOf/1/properties/type)`],
    [Type.Intersect([typed(Type.Literal('app.other')), Type.Object({})]), `${other} (at /allOf/0/properties/type)`],
    [Type.String(), 'must describe an object, since every message is one'],
    [Type.Union([Type.Object({}), Type.Array(Type.String())]), 'must describe an object, since every message is one (at /anyOf/1)'],
    [new Date(), 'is not a JSON Schema: it is an instance of Date'],
    [Type.Object({ text: Type.String({ pattern: '(' }) }), 'cannot be compiled: the pattern ( is not a regular expression (at /properties/text)'],
    [Type.Object({ list: Type.Array(Type.Object({ a: Type.Null(), b: { type: 'string' } as never, c: String as never })) }), 'cannot be compiled: it is not a TypeBox schema, or has an invalid keyword (at /properties/list/items/properties/b)'],
    [Type.Object({ list: Type.Tuple([Type.Null(), null as never]) }), 'cannot be compiled: it is not a TypeBox schema, or has an invalid keyword (at /properties/list/items/1)'],
    [Type.Object({ text: Type.String({ pattern: 'a', maxLength: 'x' as never }) }), 'cannot be compiled: it is not a TypeBox schema, or has an invalid keyword (at /properties/text)'],
    [Type.Object({ deep: Type.Array(Type.String({ pattern: '(?=a)', maxLength: 9 })) }), /^has the pattern \(\?=a\), which cannot be matched in linear time: .* \(at \/properties\/deep\/items\)$/ as never],
    [Type.Object({ map: Type.Record(Type.String(), Type.String({ format: 'nowhere' })) }), /^has the format "nowhere".* \(at \/properties\/map\/patternProperties\/\^\(\.\*\)\$\)$/ as never],
    [unreadable, 'cannot be read: not now']
  ]
  const refusal = (says: string | RegExp, part = 'schema') => ({
    code: 'WSM_ERR_INVALID_HANDLER',
    message: typeof says === 'string' ? `The handler for "app.type" cannot be registered: its ${part} ${says}` : new RegExp(`its ${part} ${says.source.slice(1)}`)
  })
  for (const [schema, says] of bad) {
    t.throws(() => ws.declare('app.type', schema as TSchema), refusal(says), says)
    t.throws(() => ws.handle('app.type', { schema: schema as TSchema }, nothing), refusal(says), says)
  }
  for (const index of [7, 8]) t.throws(() => ws.handle('app.type', { schema: Type.Object({}), reply: bad[index]![0] as TSchema }, nothing), refusal(bad[index]![1], 'reply'))
  ws.declare('app.type', typed(Type.Union([Type.Literal('app.other'), Type.Literal('app.type')])))
  ws.handle('app.type', { schema: typed(Type.String()), reply: Type.String() }, () => 'text')
  ws.handle('app.any', { schema: typed(Type.Unknown()) }, nothing)
})

t.test('a route that Fastify rejects is refused with our own error, by name', async (t) => {
  const rule = { channels: [], authorize: () => true }
  const { app: { ws } } = await startApp(t, {}, {
    after: ({ ws }) => {
      for (const url of ['', 'desk', '/ws']) t.throws(() => ws.endpoint(url, rule), { code: 'WSM_ERR_INVALID_HANDLER', message: `The handler for "${url}" cannot be registered: ` }, url)
    }
  })
  const late = 'cannot be registered: the app is ready already, and takes no more routes'
  t.throws(() => ws.endpoint('/late', rule), { code: 'WSM_ERR_INVALID_HANDLER', message: `The handler for "/late" ${late}` })
  t.throws(() => ws.handle('late.rest', { schema: Type.Object({}), rest: true }, nothing), { code: 'WSM_ERR_INVALID_HANDLER', message: `The handler for "late.rest" ${late}` })
})
