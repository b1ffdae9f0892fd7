import swagger from '@fastify/swagger'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { startApp, type TestApp } from '../fixtures/app.js'

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
