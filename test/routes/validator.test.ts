import t from 'tap'
import { startApp } from '../fixtures/app.js'

t.test('text values are converted to the type of their schema, and defaults are filled in', async (t) => {
  const server = await startApp(t)
  for (let i = 0; i < 3; i++) await server.connect('5')
  const list = (query: string) => server.rest('GET', `/ws/clients${query}`)
  t.equal((await list('')).body.clients.length, 3, 'the default limit')
  t.equal((await list('?limit=2')).body.clients.length, 2)
  t.equal((await list('?user_id=5')).body.total, 3, 'a name that looks like a number stays a name')
  const bad: Array<[string, string]> = [['?limit=many', '/limit'], ['?limit=0', '/limit'], ['?limit=', '/limit'], ['?limitt=1', '/limitt'], ['?user_id=', '/user_id']]
  for (const [query, path] of bad) {
    t.match(await list(query), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path }] } }, query)
  }
})

t.test('a body is taken unchanged: nothing in it is converted, filled in or removed', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  const send = (body: unknown) => server.rest('POST', '/ws/users/alice/messages', { body })
  const bad: Array<[unknown, string]> = [
    [{ message: '{"type":"x.y"}' }, '/message'], [{ message: { type: 5 } }, '/message/type'], [{ message: { type: 'x.y' }, options: { except: client.id } }, '/options/except'],
    [{ message: { type: 'x.y' }, options: null }, '/options'], [{ message: { type: 'x.y' }, extra: 1 }, '/extra'], [{}, '/message'], [[], '']
  ]
  for (const [body, path] of bad) {
    t.match(await send(body), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path }] } }, path)
  }
  const message = { type: 'x.y', n: '5', nothing: null, deep: { list: ['1', 1, true] } }
  t.match(await send({ message }), { status: 200, body: { localRecipients: 1 } })
  t.same(await client.next('x.y'), message)
})
