import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import t from 'tap'
import wsPlugin from '../../lib/index.js'
import { SECRET, startApp } from '../fixtures/app.js'

t.test('the AsyncAPI document needs no token, and names the server as its reader does', async (t) => {
  const server = await startApp(t, { asyncapi: { title: 'Chat', version: '2.1.0', description: 'Talk' } }, { after: (app) => app.ws.declare('chat.message', Type.Object({ text: Type.String() })) })
  const { status, headers, body } = await server.rest('GET', '/ws/asyncapi.json', { as: null, headers: { host: 'chat.example:8080' } })
  t.equal(status, 200)
  t.match(headers.get('content-type'), 'application/json')
  t.match(body, { info: { title: 'Chat', version: '2.1.0', description: 'Talk' }, servers: { server: { host: 'chat.example:8080' } } })
  const { servers, ...own } = server.app.ws.asyncapi()
  t.match(servers, { server: { host: new URL(server.origin).host } })
  const { servers: _, ...served } = body
  t.strictSame(served, own, 'the rest is the same for the app')
  t.notMatch(JSON.stringify(served), SECRET)
})

t.test('with asyncapi.public false authorize decides who reads the document', async (t) => {
  const server = await startApp(t, { asyncapi: { public: false } })
  t.match(await server.rest('GET', '/ws/asyncapi.json', { as: null }), { status: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } })
  t.match(await server.rest('GET', '/ws/asyncapi.json', { as: 'alice' }), { status: 403, body: { code: 'WSM_ERR_FORBIDDEN', message: 'You may not do this: asyncapi' } })
  t.match(await server.rest('GET', '/ws/asyncapi.json'), { status: 200, body: { asyncapi: '3.0.0' } })
})

t.test('the document grows with what the app declares, and is the reader\'s own', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsPlugin, { jwt: { secret: SECRET } })
  const first = app.ws.asyncapi()
  t.notOk('servers' in first, 'no server is named before it listens')
  first.info.title = 'changed'
  t.equal(app.ws.asyncapi().info.title, 'WebSocket API')
  app.ws.handle('chat.send', { schema: Type.Object({ at: Type.Date() }) }, () => {})
  app.ws.declare('chat.message', Type.Object({}))
  const { operations, components } = app.ws.asyncapi()
  t.ok(operations['receive.chat.send'])
  t.ok(operations['send.chat.message'])
  t.match(components.schemas.ClientChatSend, { allOf: [{ description: 'Its schema has a Type.Date, which JSON Schema cannot express' }, {}] })
})

t.test('a request whose host is none gets the document without a server', async (t) => {
  const { app } = await startApp(t)
  for (const host of ['not a host', '[']) {
    const { statusCode, body } = await app.inject({ url: '/ws/asyncapi.json', headers: { host } })
    t.equal(statusCode, 200, body)
    t.notOk('servers' in JSON.parse(body), host)
  }
  t.match((await app.inject({ url: '/ws/asyncapi.json', headers: { host: '"x"/y' } })).json(), { asyncapi: '3.0.0' })
})
