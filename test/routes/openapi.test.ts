import fastifyJwt from '@fastify/jwt'
import swagger from '@fastify/swagger'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import * as typebox1 from 'typebox'
import wsPlugin, { type WsPluginOptions } from '../../lib/index.js'
import { SECRET, startApp } from '../fixtures/app.js'

interface Response { description: string, content?: Record<string, { schema: object }> }
interface Parameter { name: string, in: string, required?: boolean, description?: string, schema: object }
interface Operation {
  summary?: string
  tags?: string[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, Response>
  security?: object[]
}

/** Each route, and what it answers. */
const documented: Record<string, number[]> = {
  'GET /ws': [101, 400, 401, 403, 409, 426, 429, 503],
  'GET /ws/status': [200, 400, 401, 403, 429, 503],
  'GET /ws/ready': [200, 503],
  'GET /ws/health': [200, 503],
  'GET /ws/asyncapi.json': [200],
  'GET /ws/client.js': [200, 304],
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

interface Made {
  paths: Record<string, Record<string, Operation>>
  components?: { securitySchemes?: Record<string, object> }
  securityDefinitions?: Record<string, object>
}

/** Those that serve callers without a token. */
const PUBLIC = ['GET /ws', 'GET /ws/ready', 'GET /ws/health', 'GET /ws/asyncapi.json', 'GET /ws/client.js']

/** An app that documents itself, and what it registered. */
async function documentedApp (t: import('tap').Test, options: WsPluginOptions = {}, document: object = { openapi: { openapi: '3.1.0', info: { title: 'test', version: '1' } } }) {
  const registered: string[] = []
  const server = await startApp(t, options, {
    before: async (app: FastifyInstance) => {
      await app.register(swagger, document)
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
  const made = server.app.swagger() as unknown as Made
  const operations = new Map<string, Operation>()
  for (const [path, methods] of Object.entries(made.paths)) {
    for (const [method, operation] of Object.entries(methods)) operations.set(`${method.toUpperCase()} ${path}`, operation)
  }
  return { registered, operations, document: made, server }
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
      if (route === 'GET /ws/client.js' && status === '200') t.match(content, { 'text/javascript': { schema: { type: 'string' } } })
      else if (['101', '204', '304'].includes(status)) t.not(description, 'Default Response', `${route} ${status}: description`)
      else t.ok(content?.['application/json'], `${route} ${status}: schema`)
    }
    const inPath = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    t.strictSame(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name), inPath, `${route}: path`)
    for (const { name, schema, required = false } of parameters) if ('default' in schema) t.notOk(required, `${route}: ${name} has a default, so it can be left out`)
    for (const { name, description, schema } of parameters) t.ok(description !== undefined && Object.keys(schema).length > 0, `${route}: ${name}`)
    t.equal(requestBody !== undefined, route.startsWith('POST') && route !== 'POST /ws/tickets', `${route}: body`)
    if (requestBody !== undefined) t.ok(Object.keys(requestBody.content['application/json']!.schema).length > 0, `${route}: body`)
  }
})

const bearer = [{ bearerAuth: [] }]

t.test('routes that need a token say so, and the security scheme is in the document without a line of the host', async (t) => {
  const { operations, document } = await documentedApp(t)
  t.match(document.components!.securitySchemes, { bearerAuth: { type: 'http', scheme: 'bearer' } })
  for (const [route, { security }] of operations) t.strictSame(security, PUBLIC.includes(route) ? undefined : bearer, route)
})

t.test('the host\'s own security schemes stay as they are, also one of the same name, and so do its options', async (t) => {
  const bearerAuth = { type: 'http', scheme: 'bearer', bearerFormat: 'opaque' }
  const components = { securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: 'session' }, bearerAuth } }
  const { document } = await documentedApp(t, {}, { openapi: { info: { title: 'test', version: '1' }, components } })
  t.strictSame(document.components!.securitySchemes, components.securitySchemes)
  const own = { securitySchemes: { session: components.securitySchemes.session } }
  const added = await documentedApp(t, {}, { openapi: { info: { title: 'test', version: '1' }, components: own } })
  t.match(added.document.components!.securitySchemes, { session: own.securitySchemes.session, bearerAuth: { type: 'http' } })
  t.strictSame(Object.keys(own.securitySchemes), ['session'])
})

t.test('a document of Swagger 2 has the header as security definition', async (t) => {
  const securityDefinitions = { basic: { type: 'basic' } }
  const { operations, document } = await documentedApp(t, {}, { swagger: { info: { title: 'test', version: '1' }, securityDefinitions } })
  t.match(document.securityDefinitions, { basic: { type: 'basic' }, bearerAuth: { type: 'apiKey', in: 'header', name: 'Authorization' } })
  t.strictSame(Object.keys(securityDefinitions), ['basic'])
  t.strictSame(operations.get('GET /ws/status')!.security, bearer)
})

t.test('calls of anonymous callers are documented as open, and with authenticate the app\'s own credentials are not guessed', async (t) => {
  const anonymous = await documentedApp(t, { auth: { anonymous: true } })
  t.strictSame(anonymous.operations.get('POST /ws/call/chat.send')!.security, [...bearer, {}])
  t.strictSame(anonymous.operations.get('GET /ws/tasks')!.security, bearer)
  const server = await startApp(t, {}, {
    before: async (app) => {
      await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
      await app.register(swagger, { openapi: { info: { title: 'test', version: '1' } } })
    }
  })
  t.match(server.app.swagger(), { components: { securitySchemes: { bearerAuth: {} } } }, 'the host\'s own @fastify/jwt takes bearer tokens')
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: { info: { title: 'test', version: '1' } } })
  await app.register(wsPlugin, { authenticate: () => null })
  app.ws.handle('chat.send', { schema: Type.Object({}), rest: true }, () => {})
  await app.ready()
  const { components, paths } = app.swagger() as unknown as Made
  t.notOk(components!.securitySchemes)
  t.notOk(paths['/ws/status']!.get!.security)
  t.notOk(paths['/ws/call/chat.send']!.post!.security)
})

t.test('the AsyncAPI document needs a token in OpenAPI if it needs one', async (t) => {
  const { operations } = await documentedApp(t, { asyncapi: { public: false } })
  const { security, responses } = operations.get('GET /ws/asyncapi.json')!
  t.strictSame(security, bearer)
  t.strictSame(Object.keys(responses), ['200', '400', '401', '403', '429', '503'])
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

/** Schemas that refer to their own parts, each with a field that is recursive. */
function referringSchemas (): Record<string, object> {
  const trees = (of: object) => ({ type: 'object', properties: { trees: { type: 'array', items: of } } })
  const Tree = Type.Recursive((This) => Type.Object({ trees: Type.Optional(Type.Array(This)) }))
  const [first, second] = [Type.Number(), Type.String()].map((n) => Type.Module({ Node: Type.Object({ n, trees: Type.Array(Type.Ref('Node')) }) }))
  const { Type: Type1 } = typebox1
  const node = Type1.Object({ trees: Type1.Array(Type1.Ref('Node')) })
  return {
    'json.pointer': { $defs: { Node: trees({ $ref: '#/$defs/Node' }) }, type: 'object', properties: { tree: { $ref: '#/$defs/Node' }, other: { $ref: '#/$defs/Node' } } },
    'json.same-name': { definitions: { Node: { type: 'string' } }, type: 'object', properties: { tree: { $ref: '#/definitions/Node' } } },
    'json.id': { $id: 'Mail', type: 'object', properties: { answers: { type: 'array', items: { $ref: 'Mail' } } } },
    'json.root': trees({ $ref: '#' }),
    'json.other-name': { $defs: { A: { $ref: '#/$defs/B' }, B: trees({ $ref: '#/$defs/A' }) }, $ref: '#/$defs/A' },
    'json.beside': { $defs: { Node: trees({ $ref: '#/$defs/Node' }) }, $ref: '#/$defs/Node', type: 'object', required: ['trees'] },
    'json.flags': { $defs: { Any: true, None: false }, type: 'object', properties: { any: { $ref: '#/$defs/Any' }, none: { $ref: '#/$defs/None' } }, additionalProperties: true },
    'typebox.recursive': Tree,
    'typebox.within': Type.Object({ tree: Tree, other: Tree }),
    'typebox.module': Type.Object({ tree: first!.Import('Node'), other: second!.Import('Node') }),
    'typebox.whole-module': first!.Import('Node'),
    'typebox1.cyclic': Type1.Cyclic({ Node: node }, 'Node'),
    'typebox1.within': Type1.Object({ tree: Type1.Cyclic({ Node: node }, 'Node') })
  }
}

/** References in a document to what it does not have. */
function danglingIn (document: object): string[] {
  const found: string[] = []
  const see = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return
    const { $ref } = part as { $ref?: unknown }
    if (typeof $ref === 'string') {
      const target = $ref.startsWith('#/') ? $ref.slice(2).split('/').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], document) : undefined
      if (target === undefined) found.push($ref)
    }
    Object.values(part).forEach(see)
  }
  see(document)
  return found
}

const versions = {
  'OpenAPI 3.0': { openapi: { info: { title: 'test', version: '1' } } },
  'OpenAPI 3.1': { openapi: { openapi: '3.1.0', info: { title: 'test', version: '1' } } },
  'Swagger 2': { swagger: { info: { title: 'test', version: '1' } } }
}
t.test('the header Idempotency-Key of a call is documented, and can be left out', async (t) => {
  const { operations } = await documentedApp(t)
  const { parameters = [] } = operations.get('POST /ws/call/chat.send')!
  t.match(parameters.filter((parameter) => parameter.in === 'header'), [{ name: 'Idempotency-Key', required: false, schema: { type: 'string', maxLength: 128 } }])
})

for (const [version, options] of Object.entries(versions)) {
  t.test(`every reference in the schemas of calls is one within the document of ${version}`, async (t) => {
    const schemas = referringSchemas()
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(swagger, options)
    await app.register(wsPlugin, { authenticate: () => null })
    for (const [type, schema] of Object.entries(schemas)) app.ws.handle(type, { schema, reply: schema, rest: true }, () => null)
    await app.ready()
    const document = app.swagger() as unknown as Made & { definitions: Record<string, object>, components: { schemas: Record<string, object> } }
    t.strictSame(danglingIn(document), [])
    t.notMatch(JSON.stringify(document), /"\$(defs|id)"/, 'and each definition is where it belongs')
    const definitions = document.definitions ?? document.components.schemas
    const at = (type: string) => {
      const { parameters, requestBody } = document.paths[`/ws/call/${type}`]!.post!
      return (requestBody?.content['application/json'] ?? parameters![0]!).schema as { properties: Record<string, { $ref: string }>, required?: string[], allOf?: Array<{ $ref: string }> }
    }
    const meant = ({ $ref }: { $ref: string }) => definitions[$ref.split('/').at(-1)!] as { type: string, properties: { n: object, trees: { items: { $ref: string } } } }
    const { tree, other } = at('json.pointer').properties
    t.strictSame(tree, other, 'two references to one part are the same')
    t.strictSame(meant(tree!).properties.trees.items, tree, 'a recursive one is itself')
    t.strictSame(meant(at('json.same-name').properties.tree!), { title: 'Node3', type: 'string' }, 'another call has another part of this name')
    const modules = at('typebox.module').properties
    t.strictSame([meant(modules.tree!).properties.n, meant(modules.other!).properties.n], [{ type: 'number' }, { type: 'string' }], 'and so has another field')
    t.match(at('json.beside'), { required: ['trees'], allOf: [{}] }, 'what stands beside a reference is kept')
    t.match(at('json.flags'), { properties: { any: { $ref: /./ } }, additionalProperties: true })
  })
}

t.test('the OpenAPI document contains only JSON values', async (t) => {
  const { document } = await documentedApp(t)
  t.strictSame(JSON.parse(JSON.stringify(document)).paths, document.paths)
})

t.test('the plugin works without @fastify/swagger', async (t) => {
  const server = await startApp(t)
  t.notOk(server.app.hasDecorator('swagger'))
  t.equal((await server.rest('GET', '/ws/health')).status, 200)
})
