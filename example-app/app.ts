import { fileURLToPath } from 'node:url'
import fastifyJwt from '@fastify/jwt'
import fastifyStatic from '@fastify/static'
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance } from 'fastify'
import wsPlugin from 'fastify-ws-manager'
import { redis } from 'fastify-ws-manager/redis'
import { Redis } from 'ioredis'
import { accountRoutes } from './accounts.js'
import { chat } from './chat.js'
import { DRAIN_MS, type Config } from './config.js'
import { CHAT_CHANNEL, contract } from './contract.js'
import { Imports } from './import.js'
import { securePages } from './page-security.js'
import { developmentSecret } from './secret.js'
import { taskRoutes } from './tasks.js'

declare module 'fastify-ws-manager' { interface Register { contract: typeof contract } }

// Compiled, this file is in dist/example-app; the page is not compiled and stays where it is.
const publicFolder = fileURLToPath(new URL('../../example-app/public', import.meta.url))
// The elements, which the page imports beside the client's script.
const clientFolder = fileURLToPath(new URL('../client', import.meta.url))

/** An app with accounts, long-running tasks that ask their user, a chat, and a page that shows them. */
export async function createApp (config: Config): Promise<FastifyInstance> {
  // A request that comes by a connection from before the close is answered: a load balancer may not repeat it elsewhere.
  const app = Fastify({ logger: { level: config.LOG_LEVEL }, trustProxy: config.TRUST_PROXY ?? false, requestTimeout: 30_000, return503OnClosing: false })
  securePages(app)
  const info = { title: 'fastify-ws-manager: the example app', version: '1.0.0' }
  await app.register(fastifySwagger, {
    openapi: { openapi: '3.1.0', info: { ...info, description: 'Messages and questions are among the schemas below; [asyncapi.json](/ws/asyncapi.json) describes the socket.' } },
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject
      const { components } = document.openapiObject
      Object.assign(components!, { schemas: { ...app.ws.asyncapi().components.schemas, ...components!.schemas } })
      return document.openapiObject
    }
  })
  await app.register(fastifySwaggerUi, { routePrefix: '/docs' })
  await app.register(fastifyJwt, {
    secret: config.JWT_SECRET ?? developmentSecret(), sign: { expiresIn: `${config.TOKEN_TTL_S}s` }, verify: { algorithms: ['HS256'] }
  })
  const imports = new Imports()
  // Before the plugin's own hook, while their users can still be told.
  app.addHook('preClose', () => imports.close())
  await app.register(wsPlugin, {
    contract,
    // A model for the engine's own connections; it is never connected itself.
    engine: config.REDIS_URL === undefined ? undefined : redis(new Redis(config.REDIS_URL, { lazyConnect: true })),
    authorizeSubscribe: (user, channel) => user !== null && channel === CHAT_CHANNEL,
    channels: { [CHAT_CHANNEL]: { history: { size: config.CHAT_HISTORY } } },
    asyncapi: info,
    drain: { timeoutMs: DRAIN_MS, windowMs: config.DRAIN_WINDOW_MS }
  })
  await app.register(accountRoutes)
  await app.register(taskRoutes, { imports, batchMs: config.BATCH_MS })
  await app.register(chat)
  await app.register(fastifyStatic, { root: publicFolder })
  await app.register(fastifyStatic, { root: clientFolder, prefix: '/client/', decorateReply: false, allowedPath: (path) => path.endsWith('.js') })
  return app
}
