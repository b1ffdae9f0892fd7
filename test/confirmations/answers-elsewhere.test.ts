import { randomUUID } from 'node:crypto'
import { FormatRegistry, Type, type TSchema } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { redis } from '../../lib/engine/redis/redis.js'
import { compileJsonSchema } from '../../lib/validation/json-schema.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { ask, pendingOf } from '../fixtures/questions.js'
import { RedisServer } from '../fixtures/redis.js'

const { port } = await RedisServer.start(t)

async function startNodes (t: Test): Promise<[TestApp, TestApp]> {
  const prefix = randomUUID()
  const start = () => startApp(t, { engine: redis({ host: '127.0.0.1', port }, { prefix, commandTimeoutMs: 20_000 }), limits: { maxErrorsPerMinute: 1_000 } })
  return Promise.all([start(), start()])
}

async function asked (server: TestApp, answer: TSchema) {
  const end = ask(server, 'alice', { answer })
  let pending: Awaited<ReturnType<typeof pendingOf>> = []
  while (pending.length === 0) pending = await pendingOf(server, 'alice')
  return { end, id: pending.at(-1)!.callback_id }
}

FormatRegistry.Set('day', (text) => /^\d{4}-\d\d-\d\d$/.test(text))
const Tree = Type.Recursive((This) => Type.Object({ name: Type.String({ maxLength: 5 }), trees: Type.Array(This) }))

t.test('an answer gets the same verdict on the node that asked and on another', async (t) => {
  const [here, there] = await startNodes(t)
  const [alice, alicia] = [await here.connect('alice'), await there.connect('alice')]
  const cases: Array<[name: string, schema: TSchema, bad: unknown[], good: unknown, kept?: unknown]> = [
    ['formats', Type.Object({ day: Type.String({ format: 'day' }) }), [{ day: 'tomorrow' }, { day: 1 }, {}], { day: '2026-11-25' }],
    ['patterns', Type.String({ pattern: '^([a-z]+ ?)+$', maxLength: 20 }), ['a'.repeat(60) + '!', 'a'.repeat(19) + '!'], 'anna'],
    ['regular expressions', Type.RegExp(/^\d+$/, { maxLength: 5 }), ['x', '123456'], '12345'],
    ['template literals', Type.TemplateLiteral([Type.Literal('dark-'), Type.Union([Type.Literal('red'), Type.Literal('blue')])]), ['dark-green', 'dark-red!'], 'dark-red'],
    ['unions', Type.Union([Type.Object({ kind: Type.Literal('a'), n: Type.Number() }), Type.Object({ kind: Type.Literal('b'), s: Type.String() })]), [{ kind: 'a', s: 'x' }, { kind: 'c' }], { kind: 'b', s: 'x' }],
    ['intersections', Type.Intersect([Type.Object({ a: Type.Number() }), Type.Object({ b: Type.Number() })], { unevaluatedProperties: false }), [{ a: 1 }, { a: 1, b: 1, c: 1 }], { a: 1, b: 1 }],
    ['characters beyond the first 65536', Type.String({ maxLength: 3 }), ['😀😀'], '😀'],
    ['unknown fields', Type.Object({ a: Type.Number() }), [{ a: 'x', b: 1 }], { a: 1, b: 2 }, { a: 1 }],
    ['what refers to itself', Tree, [{ name: 'root', trees: [{ name: 'too long', trees: [] }] }], { name: 'root', trees: [{ name: 'leaf', trees: [] }] }]
  ]
  for (const [name, schema, bad, good, kept = good] of cases) {
    const { end, id } = await asked(here, schema)
    for (const answer of bad) {
      const [mine, theirs] = await Promise.all([alice, alicia].map((client) => client.request({ type: 'confirm', callback_id: id, proceed: true, answer })))
      t.match(mine, { code: 'invalid_message' }, name)
      t.same({ ...theirs, id: 0 }, { ...mine, id: 0 }, `${name}: the same verdict, in the same words`)
    }
    t.match(await alicia.request({ type: 'confirm', callback_id: id, proceed: true, answer: good }), { type: 'reply' }, name)
    t.strictSame((await end).answer, kept, name)
  }
})

t.test('a node that did not ask reports at most ten faults of an answer, in a small frame', async (t) => {
  const [here, there] = await startNodes(t)
  const { end, id } = await asked(here, Type.Array(Type.Number()))
  const answer = Array.from({ length: 42_000 }, () => 'x')
  const refused = await there.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, answer } })
  t.match(refused, { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: { length: 10 } } })
  t.match((await there.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, answer: [1] } })).status, 200)
  t.match(await end, { answer: [1] })
})

t.test('a node that cannot check an answer refuses it with unavailable, and the question stays open for another node', async (t) => {
  const [here, there] = await startNodes(t)
  FormatRegistry.Set('ours', (text) => text === 'ours')
  t.teardown(() => FormatRegistry.Delete('ours'))
  const { end, id } = await asked(here, Type.Object({ text: Type.String({ format: 'ours' }) }))
  // Both nodes are this process: it forgets what it has compiled, and the format.
  for (let i = 0; i < 100; i++) compileJsonSchema({ const: i, type: 'number' })
  FormatRegistry.Delete('ours')
  const alicia = await there.connect('alice')
  const refused = await alicia.request({ type: 'confirm', callback_id: id, proceed: true, answer: { text: 'ours' } })
  t.match(refused, { code: 'unavailable', message: /cannot be checked.*the format "ours"/ })
  t.match(await there.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, answer: { text: 'ours' } } }), { status: 503, body: { code: 'WSM_ERR_UNAVAILABLE' } })
  t.ok(there.logs.some(({ msg, callback_id: callbackId }) => msg === 'this node cannot check an answer against its schema' && callbackId === id), 'operators hear of it')
  FormatRegistry.Set('ours', (text) => text === 'ours')
  t.match(await here.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, answer: { text: 'ours' } } }), { status: 200 })
  t.match(await end, { outcome: 'confirmed', answer: { text: 'ours' } })
})
