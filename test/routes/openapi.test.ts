import swagger from '@fastify/swagger'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { startApp } from '../fixtures/app.js'

interface Response { description: string, content?: Record<string, { schema: object }> }
interface Parameter { name: string, in: string, required?: boolean, description?: string, schema: object }
interface Operation {
  summary?: string
  tags?: string[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, Response>
}

/** Each route, and what it answers. */
const documented: Record<string, number[]> = {
  'GET /ws': [101, 400, 401, 403, 409, 426, 429, 503],
  'GET /ws/status': [200, 400, 401, 403, 429, 503],
  'GET /ws/ready': [200, 503],
  'GET /ws/health': [200, 503],
  'GET /ws/asyncapi.json': [200],
  'POST /ws/broadcast': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /ws/users/{user_id}/messages': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /ws/roles/{role}/messages': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /ws/channels/{channel}/messages': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /ws/clients/{client_id}/messages': [200, 400, 401, 403, 404, 413, 415, 429, 503],
  'GET /ws/clients': [200, 400, 401, 403, 429, 503],
  'GET /ws/clients/{client_id}': [200, 400, 401, 403, 404, 429, 503],
  'DELETE /ws/clients/{client_id}': [204, 400, 401, 403, 404, 429, 503],
  'GET /ws/channels': [200, 400, 401, 403, 429, 503],
  'GET /ws/channels/{channel}': [200, 400, 401, 403, 429, 503],
  'GET /ws/history': [200, 400, 401, 403, 429, 503],
  'GET /ws/confirmations': [200, 400, 401, 403, 429, 503],
  'GET /ws/confirmations/{callback_id}': [200, 400, 401, 403, 404, 429, 503],
  'POST /ws/confirmations/{callback_id}': [200, 400, 401, 403, 404, 409, 413, 415, 429, 503],
  'DELETE /ws/confirmations/{callback_id}': [200, 400, 401, 403, 404, 409, 429, 503],
  'GET /ws/tasks': [200, 400, 401, 403, 429, 503],
  'GET /ws/tasks/{task_id}': [200, 400, 401, 403, 404, 429, 503],
  'DELETE /ws/tasks/{task_id}': [200, 400, 401, 403, 404, 409, 429, 503],
  'POST /ws/tickets': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /ws/revocations': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /ws/call/chat.send': [200, 400, 401, 403, 404, 409, 413, 415, 429, 503]
}

/** An app that documents itself, and what it registered. */
async function documentedApp (t: import('tap').Test) {
  const registered: string[] = []
  const server = await startApp(t, {}, {
    before: async (app: FastifyInstance) => {
      await app.register(swagger, { openapi: { openapi: '3.1.0', info: { title: 'test', version: '1' } } })
      app.addHook('onRoute', ({ method, url, schema }) => {
        if ((schema as { hide?: boolean } | undefined)?.hide === true) return
        for (const name of [method].flat()) if (name !== 'HEAD') registered.push(`${name} ${url.replace(/:(\w+)/g, '{$1}')}`)
      })
    },
    after: (app) => {
      app.ws.handle('chat.send', {
        schema: Type.Object({ text: Type.String({ description: 'What is said' }) }), reply: Type.Object({ sent_at: Type.Number() }), rest: true
      }, () => ({ sent_at: 1 }))
      app.ws.handle('chat.silent', { schema: Type.Object({}) }, () => {})
    }
  })
  const document = server.app.swagger() as unknown as { paths: Record<string, Record<string, Operation>> }
  const operations = new Map<string, Operation>()
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) operations.set(`${method.toUpperCase()} ${path}`, operation)
  }
  return { registered, operations, document, server }
}

t.test('every route of the plugin is documented with a summary, a tag, and schemas for all input and output', async (t) => {
  const { registered, operations } = await documentedApp(t)
  t.strictSame([...operations.keys()].sort(), Object.keys(documented).sort(), 'the list is complete')
  t.strictSame(registered.sort(), Object.keys(documented).sort(), 'and there is no other route')
  for (const [route, { summary, tags, parameters = [], requestBody, responses }] of operations) {
    t.match(summary, /^\S.{5,}$/, `${route}: summary`)
    t.strictSame(tags, ['ws'], `${route}: tags`)
    t.strictSame(Object.keys(responses).map(Number), documented[route], `${route}: answers`)
    for (const [status, { content, description }] of Object.entries(responses)) {
      if (status === '204' || status === '101') t.not(description, 'Default Response', `${route} ${status}: description`)
      else t.ok(content?.['application/json'], `${route} ${status}: schema`)
    }
    const inPath = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    t.strictSame(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name), inPath, `${route}: path`)
    for (const { name, description, schema } of parameters) t.ok(description !== undefined && Object.keys(schema).length > 0, `${route}: ${name}`)
    t.equal(requestBody !== undefined, route.startsWith('POST') && route !== 'POST /ws/tickets', `${route}: body`)
    if (requestBody !== undefined) t.ok(Object.keys(requestBody.content['application/json']!.schema).length > 0, `${route}: body`)
  }
})

t.test('documented errors match the real ones', async (t) => {
  const { operations, server } = await documentedApp(t)
  const { responses } = operations.get('GET /ws/clients')!
  const documentedFields = Object.keys((responses['400']!.content!['application/json']!.schema as { properties: object }).properties)
  const { status, body } = await server.rest('GET', '/ws/clients?limit=0')
  t.equal(status, 400)
  t.strictSame([...Object.keys(body), 'app'].sort(), documentedFields.sort(), 'and an error of the app says that it is')
})

t.test('a handler called by REST is documented by its own schemas', async (t) => {
  const { operations } = await documentedApp(t)
  const { requestBody, responses } = operations.get('POST /ws/call/chat.send')!
  t.match(requestBody!.content['application/json']!.schema, { properties: { text: { type: 'string', description: 'What is said' } }, required: ['text'] })
  t.match(responses['200']!.content!['application/json']!.schema, { properties: { data: { properties: { sent_at: { type: 'number' } } } } })
})

t.test('the OpenAPI document contains only JSON values', async (t) => {
  const { document } = await documentedApp(t)
  t.strictSame(JSON.parse(JSON.stringify(document)).paths, document.paths)
})

t.test('the plugin works without @fastify/swagger', async (t) => {
  const server = await startApp(t)
  t.notOk(server.app.hasDecorator('swagger'))
  t.equal((await server.rest('GET', '/ws/health')).status, 200)
})
