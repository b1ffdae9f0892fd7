import swagger from '@fastify/swagger'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { startApp, type TestApp } from '../fixtures/app.js'
import { askStored } from '../fixtures/questions.js'

/** Settings of a host for its own routes, and the answer of one of these. */
interface Host { before: (app: FastifyInstance) => unknown, own: object }

const hosts: Record<string, Host> = {
  'compilers of Zod, also for its OpenAPI document': {
    before: async (app) => {
      app.setValidatorCompiler(validatorCompiler)
      app.setSerializerCompiler(serializerCompiler)
      await app.register(swagger, { openapi: {}, transform: jsonSchemaTransform })
    },
    own: { status: 200, body: { n: 5 } }
  },
  'compilers that can only read schemas of their own kind': {
    before: (app) => {
      const fail = () => { throw new Error('no schema of this kind') }
      app.setValidatorCompiler(fail)
      app.setSerializerCompiler(fail)
    },
    own: { status: 200, body: { n: 5 } }
  },
  'an envelope around every answer': {
    before: (app) => { app.addHook('preSerialization', async (_request, _reply, payload) => ({ enveloped: payload })) },
    own: { status: 200, body: { enveloped: { n: 5 } } }
  },
  'a serializer for all replies': {
    before: (app) => { app.setReplySerializer((payload) => JSON.stringify({ replaced: payload })) },
    own: { status: 200, body: { replaced: { n: 5 } } }
  },
  'a serializer that a hook sets': {
    before: (app) => { app.addHook('onRequest', async (_request, reply) => { reply.serializer((payload: unknown) => JSON.stringify({ replaced: payload })) }) },
    own: { status: 200, body: { replaced: { n: 5 } } }
  },
  'an error handler and a formatter of schema errors': {
    before: (app) => {
      app.setErrorHandler((error, _request, reply) => { reply.code(418).send({ handled: String(error) }) })
      app.setSchemaErrorFormatter(() => new Error('formatted'))
    },
    own: { status: 200, body: { n: 5 } }
  },
  'parsers that leave bodies as they are': {
    before: (app) => {
      app.removeAllContentTypeParsers()
      app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => body)
    },
    own: { status: 200, body: { n: 5 } }
  }
}

/** Everything that the plugin's routes do with a request and an answer. */
async function holds (t: Test, server: TestApp): Promise<void> {
  const rest = async (method: string, path: string, options = {}) => {
    const { status, body } = await server.rest(method, path, options)
    return { status, body }
  }
  t.match(await rest('GET', '/ws/health', { as: null }), { status: 200, body: { status: 'healthy' } })
  t.match(await rest('GET', '/ws/clients?limit=5'), { status: 200, body: { clients: [], next: null } })
  t.match(await rest('POST', '/ws/broadcast', { body: { message: { type: 'x.y' } } }), { status: 200, body: { localRecipients: 0 } })
  t.match(await rest('POST', '/ws/call/app.add', { body: { a: 1 } }), { status: 200, body: { data: 2 } })
  t.match(await rest('POST', '/ws/tickets', { body: '' }), { status: 200, body: { ticket: String } })
  t.match(await rest('GET', '/ws/clients?limit=many'), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/limit' }] } })
  t.match(await rest('POST', '/ws/broadcast', { body: '{' }), { status: 400, body: { code: 'WSM_ERR_BAD_JSON' } })
  t.match(await rest('POST', '/ws/call/app.add', { body: {} }), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', details: [{ path: '/a' }] } })
  t.match(await rest('GET', '/ws/status', { as: null }), { status: 401, body: { statusCode: 401, code: 'WSM_ERR_UNAUTHORIZED', error: 'Unauthorized' } })
  for (const path of ['/ws', '/desk']) {
    t.match(await rest('GET', path, { as: null }), { status: 426, body: { code: 'WSM_ERR_UPGRADE_REQUIRED' } })
    await (await server.connect('alice', { path })).close()
  }
}

for (const [name, { before, own }] of Object.entries(hosts)) {
  t.test(`the plugin's routes behave the same if the host has ${name}`, async (t) => {
    const server = await startApp(t, {}, {
      before: async (app) => { await before(app) },
      after: (app) => {
        app.ws.handle('app.add', { schema: Type.Object({ a: Type.Number() }), reply: Type.Number(), rest: true }, ({ a }) => a + 1)
        app.ws.endpoint('/desk', { channels: ['desk'], authorize: () => true })
        const schema = name.includes('Zod') ? { querystring: z.object({ n: z.coerce.number() }), response: { 200: z.object({ n: z.number() }) } } : {}
        app.withTypeProvider<ZodTypeProvider>().get('/own', { schema }, ({ query }) => ({ n: Number((query as { n: unknown }).n) }))
        if (name.includes('Zod')) app.addHook('onReady', async () => { t.match(app.swagger(), { paths: { '/own': {}, '/ws/clients': { get: { responses: { 200: {} } } } } }) })
      }
    })
    t.match(await server.rest('GET', '/own?n=5'), own, 'its own are as it wants them')
    await holds(t, server)
  })
}

t.test('every REST route of the plugin serves beside the compilers of Zod, and refuses bad requests with its own error', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true }, {
    before: async (app) => { await hosts['compilers of Zod, also for its OpenAPI document']!.before(app) },
    after: (app) => {
      const text = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } as const
      app.ws.declare('chat.message', text)
      app.ws.handle('chat.send', { schema: text, reply: { type: 'number' }, rest: true }, ({ text }) => text.length)
      app.withTypeProvider<ZodTypeProvider>().post('/own', { schema: { body: z.object({ n: z.number() }), response: { 200: z.object({ n: z.number() }) } } }, ({ body }) => ({ n: body.n + 1 }))
    }
  })
  t.match(await server.rest('POST', '/own', { body: { n: 4 } }), { status: 200, body: { n: 5 } })
  t.match(await server.rest('POST', '/own', { body: { n: 'four' } }), { status: 400, body: { code: 'FST_ERR_VALIDATION' } })
  const alice = await server.connect('alice', { path: '/ws?channel_id=lobby' })
  const admin = await server.connect('admin')
  const answered = await askStored(server, 'admin')
  const cancelled = await askStored(server, 'admin')
  const { task } = await server.app.ws.tasks.start({ userId: 'admin' })
  const send = { body: { message: { type: 'chat.message', text: 'hello' } } }
  const wrong = { body: { message: { type: 'chat.message', text: 5 } } }
  const long = 'x'.repeat(501)
  const confirmations = '/ws/confirmations/{callback_id}'
  const call = '/ws/call/chat.send'

  /** By route: a good request with its answer, and a bad one with the path of its fault; null: it takes nothing. */
  const requests: Record<string, [path: string, options: object, answer: object, bad: [path: string, options: object, fault: string] | null]> = {
    'GET /ws/status': ['', {}, { active_connections: 2 }, ['?cluster=5', {}, '/cluster']],
    'GET /ws/ready': ['', {}, {}, null],
    'GET /ws/health': ['', {}, { status: 'healthy' }, null],
    'GET /ws/asyncapi.json': ['', {}, { asyncapi: '3.0.0', operations: { 'receive.chat.send': {} } }, null],
    'POST /ws/broadcast': ['', send, { localRecipients: 2 }, ['', wrong, '/message/text']],
    'POST /ws/users/{user_id}/messages': ['', send, { localRecipients: 1 }, ['', wrong, '/message/text']],
    'POST /ws/roles/{role}/messages': ['', send, { localRecipients: 0 }, ['', wrong, '/message/text']],
    'POST /ws/channels/{channel}/messages': ['', send, { localRecipients: 1 }, ['', wrong, '/message/text']],
    'POST /ws/clients/{client_id}/messages': ['', send, { recipients: 1 }, ['', wrong, '/message/text']],
    'GET /ws/clients': ['?limit=5', {}, { total: 2 }, ['?limit=many', {}, '/limit']],
    'GET /ws/clients/{client_id}': ['', {}, { client_id: alice.id }, null],
    'GET /ws/channels': ['?limit=5', {}, { channels: [{ channel: 'lobby' }] }, ['?limit=0', {}, '/limit']],
    'GET /ws/channels/{channel}': ['', {}, { channel: 'lobby', clients: 1 }, ['?limit=0', {}, '/limit']],
    'GET /ws/history': ['?topic=user:admin', {}, { complete: true }, ['?topic=somebody', {}, '/topic']],
    'GET /ws/confirmations': ['', {}, { confirmations: [{}, {}] }, ['?status=over', {}, '/status']],
    [`GET ${confirmations}`]: ['?wait=0', {}, { callback_id: answered.id }, ['?wait=61', {}, '/wait']],
    [`POST ${confirmations}`]: ['', { body: { proceed: true } }, { status: 'confirmed' }, ['', { body: { proceed: 'yes' } }, '/proceed']],
    [`DELETE ${confirmations}`]: ['?reason=no', {}, { status: 'cancelled' }, [`?reason=${long}`, {}, '/reason']],
    'GET /ws/tasks': ['', {}, { tasks: [{ task_id: task.task_id }] }, ['?limit=0', {}, '/limit']],
    'GET /ws/tasks/{task_id}': ['', {}, { task_id: task.task_id }, null],
    'DELETE /ws/tasks/{task_id}': ['', {}, { task_id: task.task_id, status: 'cancelled' }, null],
    'POST /ws/tickets': ['', {}, { ticket: String }, null],
    'POST /ws/revocations': ['', { body: { user_id: 'bob' } }, { complete: true }, ['', { body: { user_id: 5 } }, '/user_id']],
    [`POST ${call}`]: ['', { body: { text: 'hello' } }, { data: 5 }, ['', { body: { text: 5 } }, '/text']],
    'DELETE /ws/clients/{client_id}': ['', {}, {}, [`?reason=${long}`, {}, '/reason']]
  }
  for (const [route, [path, options, answer, bad]] of Object.entries(requests)) {
    const [method, template] = route.split(' ') as [string, string]
    const question = method === 'DELETE' ? cancelled : answered
    const values: Record<string, string> = { user_id: 'alice', role: 'editor', channel: 'lobby', client_id: alice.id, callback_id: question.id, task_id: task.task_id }
    const url = template.replace(/\{(\w+)\}/, (_, name: string) => values[name]!)
    if (bad !== null) t.match(await server.rest(method, url + bad[0], bad[1]), { status: 400, body: { statusCode: 400, code: 'WSM_ERR_INVALID_MESSAGE', error: 'Bad Request', details: [{ path: bad[2] }] } }, `${route} refuses`)
    const { status, body } = await server.rest(method, url + path, options)
    t.equal(status, route === 'DELETE /ws/clients/{client_id}' ? 204 : 200, `${route}: ${JSON.stringify(body)}`)
    if (body !== null) t.match(body, answer, route)
  }
  // The only answer that is not JSON.
  const { status, text } = await server.begin('GET', '/ws/client.js', { as: null }).answer
  t.equal(status, 200)
  t.match(text, 'safeRegisterHandler')
  const documented = Object.entries(server.app.swagger().paths!).flatMap(([path, operations]) => Object.keys(operations!).map((method) => `${method.toUpperCase()} ${path}`))
  t.strictSame(documented.filter((route) => !['GET /ws', 'GET /ws/client.js', 'POST /own'].includes(route)).sort(), Object.keys(requests).sort(), 'these are all')
  await admin.close()
})

t.test('the plugin\'s routes refuse content types of the host\'s parsers before the body has arrived', async (t) => {
  const server = await startApp(t, {}, {
    before: (app) => { app.addContentTypeParser('application/x-lines', { parseAs: 'string' }, async (_request: unknown, body: string) => JSON.parse(body)) },
    after: (app) => {
      app.ws.handle('app.act', { schema: Type.Object({}), rest: true }, () => 'done')
      app.post('/own', async ({ body }) => body)
    }
  })
  const headers = { 'content-type': 'application/x-lines' }
  t.match(await server.rest('POST', '/own', { body: '{"n":5}', headers }), { status: 200, body: { n: 5 } })
  for (const path of ['/ws/broadcast', '/ws/call/app.act', '/ws/tickets']) {
    t.match(await server.rest('POST', path, { body: '{}', headers }), { status: 415, body: { statusCode: 415, code: 'WSM_ERR_UNSUPPORTED_MEDIA_TYPE' } }, path)
  }
})
