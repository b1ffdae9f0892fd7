import { FormatRegistry, Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { ask, pendingOf } from '../fixtures/questions.js'

const Numbers = Type.Record(Type.String(), Type.Number())
/** Ten faults with paths of 256 characters, and what is around them. */
const MOST_BYTES = 5_000

t.test('an error frame stays small, however many faults the frame has and however long its keys are', async (t) => {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000, maxPayloadBytes: 1_048_576 } }, {
    after: ({ ws }) => {
      ws.handle('many.numbers', { schema: Type.Object({ numbers: Numbers }), rest: true }, () => 'good')
      ws.declare('many.sent', Type.Object({ type: Type.String(), numbers: Numbers }))
    }
  })
  const client = await server.connect('alice')
  ask(server, 'alice', { answer: Type.Object({ numbers: Numbers }) })
  const [{ callback_id: id }] = await pendingOf(server, 'alice') as unknown as [{ callback_id: string }]
  const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`key-${i}`, 'x']))
  const long = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${i}${'k'.repeat(5_000)}`, 'x']))
  for (const numbers of [many, long]) {
    const bodies = [
      await client.request({ type: 'many.numbers', numbers }),
      await client.request({ type: 'walker', walker: 'many.numbers', context: { numbers } }),
      await client.request({ type: 'ping', ...numbers }),
      await client.request({ type: 'confirm', callback_id: id, proceed: true, answer: { numbers } }),
      (await server.rest('POST', '/ws/call/many.numbers', { as: 'alice', body: { numbers } })).body,
      (await server.rest('POST', `/ws/confirmations/${id}`, { as: 'alice', body: { proceed: true, answer: { numbers } } })).body,
      (await server.rest('POST', '/ws/broadcast', { body: { message: { type: 'many.sent', numbers } } })).body,
      (await server.rest('POST', '/ws/broadcast', { body: { message: { type: 'x' }, ...numbers } })).body
    ]
    for (const [index, body] of bodies.entries()) {
      t.equal(body.details.length, 10, `place ${index}: ten faults`)
      const size = JSON.stringify(body).length
      t.ok(size < MOST_BYTES, `place ${index}: ${size} bytes`)
    }
  }
  const { details } = await client.request({ type: 'many.numbers', numbers: { [`short${'k'.repeat(5_000)}`]: 'x' } })
  t.equal(details[0].path, `/numbers/short${'k'.repeat(242)}…`)
})

t.test('a message that fails its check without a listed fault is refused', async (t) => {
  let asked = 0
  FormatRegistry.Set('every-second', () => asked++ % 2 === 1)
  const server = await startApp(t, {}, { after: ({ ws }) => ws.handle('a.format', { schema: Type.Object({ text: Type.String({ format: 'every-second' }) }) }, () => 'good') })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'a.format', text: 'x' }), { code: 'invalid_message', details: [{ path: '', message: 'Expected a value of the schema' }] })
})
