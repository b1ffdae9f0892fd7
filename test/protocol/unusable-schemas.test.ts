import { Type, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import Type1 from 'typebox'
import { startApp } from '../fixtures/app.js'

const nothing = () => null

function nested (level: (schema: object) => object, levels: number): object {
  let schema: object = Type.Object({})
  for (let i = 0; i < levels; i++) schema = level(schema)
  return schema
}

function cyclic (schema: object): object {
  Object.assign((schema as { properties: object }).properties, { again: schema })
  return schema
}

const getter = (message: string) => ({ type: 'object', properties: { get a () { throw new Error(message) } } })
const shared = { type: 'object', properties: { text: { type: 'string' } } }
const doubled = nested((schema) => ({ type: 'object', properties: { a: schema, b: schema } }), 12)

t.test('a schema that cannot be read or compiled is refused by name wherever it is given', async (t) => {
  const { app: { ws } } = await startApp(t)
  const contains = 'contains itself: refer to it with $ref instead (at /properties/again)'
  const deep = 'is nested deeper than 200 levels'
  const bad: Array<[schema: unknown, says: string]> = [
    [{ type: 'object', properties: { a: { $ref: '#/%zz' } } }, 'cannot be compiled: it refers to "#/%zz", which it does not define (at /properties/a)'],
    [cyclic({ type: 'object', properties: {} }), contains],
    [cyclic(Type.Object({})), contains],
    [cyclic(Type1.Object({})), contains],
    [{ type: 'object', examples: [cyclic({ properties: {} })] }, 'contains itself: refer to it with $ref instead (at /examples/0/properties/again)'],
    [nested((schema) => ({ type: 'object', properties: { a: schema } }), 5_000), deep],
    [nested((schema) => Type.Object({ a: schema as TSchema }), 1_500), deep],
    [nested((schema) => ({ anyOf: [schema] }), 50_000), deep],
    // Two levels of objects each: the least that is refused.
    [nested((schema) => ({ type: 'object', properties: { a: schema } }), 100), deep],
    [nested((schema) => Type.Object({ a: schema as TSchema }), 100), deep],
    [getter('not now'), 'cannot be read: not now'],
    [{ get type () { throw new Error('not now') } }, 'cannot be read: not now'],
    [new Proxy({}, { has () { throw new Error('not now') } }), 'cannot be read: not now'],
    [Type.Object({ a: { ...Type.String(), get maxLength () { throw new Error('not now') } } }), 'cannot be read: not now']
  ]
  for (const [schema, says] of bad) {
    const refused = (part: string, what = 'handler for') => ({ code: 'WSM_ERR_INVALID_HANDLER', message: `The ${what} "app.type" cannot be registered: its ${part} ${says}` })
    t.throws(() => ws.declare('app.type', schema as object), refused('schema', 'message'), says)
    t.throws(() => ws.handle('app.type', { schema: schema as object }, nothing), refused('schema'), says)
    t.throws(() => ws.handle('app.type', { schema: {}, reply: schema as object }, nothing), refused('reply'), says)
    await t.rejects(ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', answer: schema as object }), {
      code: 'WSM_ERR_INVALID_ARGUMENT', message: `ws.notifyUser(): options.answer: The answer schema ${says}`
    }, says)
  }
  ws.handle('app.deepest', { schema: nested((schema) => ({ type: 'object', properties: { a: schema } }), 99) }, nothing)
  ws.handle('app.type', { schema: { type: 'object', properties: { a: shared, b: shared, c: doubled } } }, nothing)
})

t.test('a message or reply that is nested too deeply to be checked is refused, and nothing else fails', async (t) => {
  const self = { type: 'object', properties: { next: { $ref: '#' } } }
  const own = Type.Recursive((This) => Type.Object({ next: Type.Optional(This) }))
  const deep = (levels: number, end: unknown) => {
    let value: unknown = end
    for (let i = 0; i < levels; i++) value = { next: value }
    return value as object
  }
  const server = await startApp(t, {}, {
    after: ({ ws }) => {
      ws.handle('app.deep', { schema: {}, reply: own }, () => deep(4_000, 5))
    }
  })
  const { ws } = server.app
  for (const [type, schema] of [['app.json', self], ['app.own', own]] as const) {
    ws.declare(type, schema)
    t.match(await ws.broadcast({ type, ...deep(500, {}) }), { localRecipients: 0 }, type)
    await t.rejects(ws.broadcast({ type, ...deep(4_000, 5) }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: 'ws.broadcast(): message: It is nested too deeply to be checked' }, type)
    await t.rejects(ws.broadcast({ type, ...deep(2, 5) }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /next\.next/ }, type)
  }
  const alice = await server.connect('alice')
  t.match(await alice.request({ type: 'app.deep' }), { type: 'error', code: 'internal' })
  t.match(server.logs.filter(({ msg }) => msg === 'a handler\'s reply does not match its schema'), [{ faults: [{ message: 'It is nested too deeply to be checked' }] }])
})
