import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { errors } from '../../../lib/index.js'
import { startApp } from '../../fixtures/app.js'

const closed = Type.Object({ n: Type.Number() }, { additionalProperties: false })

/** An app with handlers of both kinds of name. */
async function startWalkers (t: Test) {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 1_000 } }, {
    after: ({ ws }) => {
      ws.handle('walker.double', { schema: closed }, ({ n, type }) => ({ n: n * 2, type }))
      ws.handle('math.double', { schema: closed }, async ({ n, type }) => ({ n: n * 2, type }))
      ws.handle('math.early', { schema: Type.Object({}) }, (_message, { reply, send }) => {
        send({ type: 'math.told' })
        reply('early')
        return 'late'
      })
      ws.handle('math.fail', { schema: Type.Object({}) }, () => { throw new errors.NotFoundError('nowhere') })
      ws.handle('math.mute', { schema: Type.Object({}) }, () => () => {})
      ws.handle('math.admin', { schema: Type.Object({}), authorize: ({ user }) => user?.id === 'admin' }, () => 'secret')
      ws.handle('math.own', { schema: Type.Object({ type: Type.String(), action: Type.Optional(Type.String()) }) }, ({ type, action }) => [type, action])
      ws.handle('math.any', { schema: Type.Unknown() }, ({ type }) => type)
    }
  })
  return { server, client: await server.connect('alice') }
}

t.test('a walker frame finds a handler by its name, and below "walker." where the name has no namespace', async (t) => {
  const { client } = await startWalkers(t)
  t.match(await client.request({ type: 'walker', walker: 'double', context: { n: 2 } }), { type: 'reply', data: { n: 4, type: 'walker.double' } })
  t.match(await client.request({ type: 'walker', walker: 'math.double', context: { n: 3 } }), { type: 'reply', data: { n: 6, type: 'math.double' } })
  t.match(await client.request({ action: 'walker', walker: 'walker.double', context: { n: 4 } }), { type: 'reply', data: { n: 8 } })
  t.match(await client.request({ type: 'walker.double', n: 5 }), { type: 'reply', data: { n: 10 } }, 'and so is its plain frame')
  for (const walker of ['triple', 'math.triple', 'ping', 'subscribe', 'toString', '__proto__', 'a b']) {
    t.match(await client.request({ type: 'walker', walker }), { type: 'error', code: 'unknown_type' }, walker)
  }
})

t.test('a walker frame without an id gets a reply only with response: true', async (t) => {
  const { server, client } = await startWalkers(t)
  client.send({ type: 'walker', walker: 'double', context: { n: 1 }, response: true })
  t.same(await client.next('reply'), { type: 'reply', data: { n: 2, type: 'walker.double' } })
  client.send({ type: 'walker', walker: 'math.early', response: true })
  t.match(await client.next('reply'), { data: 'early' })
  for (const response of [undefined, false]) client.send({ type: 'walker', walker: 'math.early', response })
  await client.settled()
  t.equal(client.count('math.told'), 3, 'they ran')
  t.equal(client.count('reply'), 3, 'the two that asked for a reply, and the test\'s own')
  client.send({ type: 'walker', walker: 'math.early', response: false, id: 'x' })
  t.match(await client.next('reply'), { id: 'x', data: 'early' }, 'an id asks for a reply by itself')
  client.send({ type: 'walker', walker: 'math.fail', response: true })
  t.same(await client.next('error'), { type: 'error', code: 'not_found', message: 'nowhere' })
  client.send({ type: 'walker', walker: 'math.mute', response: true })
  t.match(await client.next('error'), { code: 'internal' })
  t.match(server.logs.filter(({ msg }) => msg === 'a handler failed'), [{ type: 'walker', walker: 'math.mute' }], 'the log names the handler')
})

t.test('a walker\'s context is checked by the handler\'s schema, and its authorize is asked', async (t) => {
  const { client } = await startWalkers(t)
  const bad: Array<[object | undefined, string]> = [[undefined, '/context/n'], [{}, '/context/n'], [{ n: 'x' }, '/context/n'], [{ n: 1, m: 2 }, '/context/m'], [{ n: 1, type: 'ping' }, '/context/type']]
  for (const [context, path] of bad) {
    t.match(await client.request({ type: 'walker', walker: 'double', context }), { code: 'invalid_message', details: [{ path }] })
  }
  for (const context of [null, [], 'x', 1]) {
    t.match(await client.request({ type: 'walker', walker: 'double', context }), { code: 'invalid_message', details: [{ path: '/context' }] })
  }
  for (const walker of [undefined, '', 1, 'x'.repeat(129)]) {
    t.match(await client.request({ type: 'walker', walker, context: {} }), { code: 'invalid_message', details: [{ path: '/walker' }] })
  }
  t.match(await client.request({ type: 'walker', walker: 'double', context: { n: 1 }, extra: 1 }), { code: 'invalid_message', details: [{ path: '/extra' }] })
  t.match(await client.request({ type: 'walker', walker: 'math.admin' }), { code: 'forbidden' })
})

t.test('a walker\'s message has the handler\'s type, and a context with another is refused unless the schema names a type', async (t) => {
  const { client } = await startWalkers(t)
  t.match((await client.request({ type: 'walker', walker: 'math.own', context: { type: 'x', action: 'y' } })).data, ['math.own', 'y'])
  t.equal((await client.request({ type: 'walker', walker: 'math.any', context: { other: 5 } })).data, 'math.any')
  t.match(await client.request({ type: 'walker', walker: 'math.any', context: { type: 5 } }), { code: 'invalid_message', details: [{ path: '/context/type' }] })
})
