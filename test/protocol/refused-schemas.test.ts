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
    [Type.Union([Type.Ref('nowhere'), Type.Object({})]), 'cannot be compiled: it refers to "nowhere", which it does not define (at /anyOf/0)'],
    [new Date(), 'is not a JSON Schema: it is an instance of Date'],
    [Type.Object({ text: Type.String({ pattern: '(' }) }), 'cannot be compiled: the pattern ( is not a regular expression (at /properties/text)'],
    [Type.Object({ list: Type.Array(Type.Object({ a: Type.Null(), b: { type: 'string' } as never, c: String as never })) }), 'cannot be compiled: it is not a TypeBox schema, or has an invalid keyword (at /properties/list/items/properties/b)'],
    [Type.Object({ list: Type.Tuple([Type.Null(), null as never]) }), 'cannot be compiled: it is not a TypeBox schema, or has an invalid keyword (at /properties/list/items/1)'],
    [Type.Object({ text: Type.String({ pattern: 'a', maxLength: 'x' as never }) }), 'cannot be compiled: it is not a TypeBox schema, or has an invalid keyword (at /properties/text)'],
    [Type.Object({ deep: Type.Array(Type.String({ pattern: '(?=a)', maxLength: 9 })) }), /^has the pattern \(\?=a\), which cannot be matched in linear time: .* \(at \/properties\/deep\/items\)$/ as never],
    [Type.Object({ map: Type.Record(Type.String(), Type.String({ format: 'nowhere' })) }), /^has the format "nowhere".* \(at \/properties\/map\/patternProperties\/\^\(\.\*\)\$\)$/ as never],
    [unreadable, 'cannot be read: not now']
  ]
  const refusal = (says: string | RegExp, part = 'schema', what = 'The handler for "app.type"') => ({
    code: 'WSM_ERR_INVALID_HANDLER',
    message: typeof says === 'string' ? `${what} cannot be registered: its ${part} ${says}` : new RegExp(`its ${part} ${says.source.slice(1)}`)
  })
  for (const [schema, says] of bad) {
    t.throws(() => ws.declare('app.type', schema as TSchema), refusal(says, 'schema', 'The message "app.type"'), says)
    t.throws(() => ws.handle('app.type', { schema: schema as TSchema }, nothing), refusal(says), says)
  }
  for (const index of [8, 9]) t.throws(() => ws.handle('app.type', { schema: Type.Object({}), reply: bad[index]![0] as TSchema }, nothing), refusal(bad[index]![1], 'reply'))
  ws.declare('app.type', typed(Type.Union([Type.Literal('app.other'), Type.Literal('app.type')])))
  ws.handle('app.type', { schema: typed(Type.String()), reply: Type.String() }, () => 'text')
  ws.handle('app.any', { schema: typed(Type.Unknown()) }, nothing)
})

t.test('whether a schema can be of the type is decided by the check itself, whatever the schema of the type is made of', async (t) => {
  const { app: { ws } } = await startApp(t)
  const typed = (type: unknown, more = {}) => ({ type: 'object', properties: { type }, ...more })
  const defs = (Type: unknown) => ({ $defs: { Type } })
  const own = Type.Module({ Good: Type.Literal('app.type'), Bad: Type.Literal('app.other'), Text: Type.String(), A: Type.Object({ type: Type.Ref('Good') }), B: Type.Object({ type: Type.Ref('Bad') }), C: Type.Ref('Text') })
  const tree = (type: TSchema) => Type.Recursive((This) => Type.Object({ type, trees: Type.Array(This) }))
  const only = (type: TSchema) => Type.Object({ type })
  const [good, bad] = [{ const: 'app.type' }, { const: 'app.other' }]
  const pairs: Array<[name: string, good: unknown, bad: unknown, place?: string]> = [
    ['oneOf', typed({ oneOf: [good, bad] }), typed({ oneOf: [bad, { const: 'app.third' }] })],
    ['oneOf that matches twice', typed({ oneOf: [good, { type: 'number' }] }), typed({ oneOf: [good, { type: 'string' }] })],
    ['anyOf', typed({ anyOf: [bad, { type: 'string' }] }), typed({ anyOf: [bad, { type: 'null' }] })],
    ['allOf', typed({ allOf: [{ type: 'string' }, good] }), typed({ allOf: [{ type: 'string' }, bad] })],
    ['not', typed({ not: bad }), typed({ not: good })],
    ['a condition', typed({ if: { type: 'string' }, then: good }), typed({ if: { type: 'string' }, then: bad })],
    ['a reference', typed({ $ref: '#/$defs/Type' }, defs(good)), typed({ $ref: '#/$defs/Type' }, defs(bad)),],
    ['a reference beside others', typed({ $ref: '#/$defs/Type', not: bad }, defs({ type: 'string' })), typed({ $ref: '#/$defs/Type', not: good }, defs({ type: 'string' }))],
    ['a pattern', typed({ type: 'string', pattern: '^app', maxLength: 9 }), typed({ type: 'string', pattern: '^x', maxLength: 9 })],
    ['a length', typed({ type: 'string', maxLength: 8 }), typed({ type: 'string', maxLength: 7 })],
    ['nothing', typed(true), typed(false)],
    ['keys by pattern', typed(good, { patternProperties: { '^x': true } }), typed(bad, { patternProperties: { '^x': true } })],
    ['a referred message', { $ref: '#/$defs/Type', ...defs(typed(good)) }, { $ref: '#/$defs/Type', ...defs(typed(bad)) }, '/$defs/Type/properties/type'],
    ['the branches of a condition', { type: 'object', if: { required: ['a'] }, then: typed(good), else: typed(bad) }, { type: 'object', if: { required: ['a'] }, then: typed(bad), else: typed(bad) }, '/else/properties/type'],
    ['a branch', { type: 'object', if: { required: ['a'] }, then: false }, { type: 'object', allOf: [typed(bad)], if: { required: ['a'] }, then: false }, '/allOf/0/properties/type'],
    ['a template', only(Type.TemplateLiteral('app.${string}', { maxLength: 9 })), only(Type.TemplateLiteral('x.${string}', { maxLength: 9 }))], // eslint-disable-line no-template-curly-in-string
    ['a RegExp', only(Type.RegExp(/^app/, { maxLength: 9 })), only(Type.RegExp(/^x/, { maxLength: 9 }))],
    ['an intersection', only(Type.Intersect([Type.String(), Type.Literal('app.type')])), only(Type.Intersect([Type.String(), Type.Literal('app.other')]))],
    ['what must not be', only(Type.Not(Type.Literal('app.other'))), only(Type.Not(Type.Literal('app.type')))],
    ['a module', own.Import('A'), own.Import('B')],
    ['a recursive one', tree(Type.Literal('app.type')), tree(Type.Literal('app.other'))]
  ]
  for (const [name, right, wrong, place = '/properties/type'] of pairs) {
    const refused = { code: 'WSM_ERR_INVALID_HANDLER', message: `its schema describes messages of another type than "app.type" (at ${place})` }
    t.throws(() => ws.handle('app.type', { schema: wrong as object }, nothing), refused, `${name}: wrong`)
    t.throws(() => ws.declare('app.type', wrong as object), refused, `${name}: wrong`)
    const { app } = await startApp(t)
    t.doesNotThrow(() => app.ws.handle('app.type', { schema: right as object }, nothing), `${name}: right`)
  }
  const lists = { $ref: '#/$defs/Type', ...defs({ type: 'array', items: { $ref: '#/$defs/Type' } }) }
  for (const schema of [lists, own.Import('C'), false, { allOf: [lists], $defs: lists.$defs }]) {
    t.throws(() => ws.declare('app.type', schema as object), { message: 'its schema must describe an object, since every message is one' })
  }
  t.doesNotThrow(() => ws.declare('app.type', { $defs: { Node: typed({ $ref: '#/$defs/Type' }, { allOf: [{ $ref: '#/$defs/Part' }] }), Part: { type: 'object', properties: { node: { $ref: '#/$defs/Node' } } }, Type: good }, anyOf: [{ $ref: '#/$defs/Node' }, { $ref: '#/$defs/Node' }] }), 'a part that is referred to twice')
})

t.test('a route that Fastify rejects is refused with our own error, by name', async (t) => {
  const rule = { channels: [], authorize: () => true }
  const { app: { ws } } = await startApp(t, {}, {
    after: ({ ws }) => {
      for (const url of ['', 'desk', '/ws']) t.throws(() => ws.endpoint(url, rule), { code: 'WSM_ERR_INVALID_HANDLER', message: `The endpoint "${url}" cannot be registered: ` }, url)
    }
  })
  const late = 'cannot be registered: the app is ready already, and takes no more routes'
  t.throws(() => ws.endpoint('/late', rule), { code: 'WSM_ERR_INVALID_HANDLER', message: `The endpoint "/late" ${late}` })
  t.throws(() => ws.handle('late.rest', { schema: Type.Object({}), rest: true }, nothing), { code: 'WSM_ERR_INVALID_HANDLER', message: `The handler for "late.rest" ${late}` })
})
