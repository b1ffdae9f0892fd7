import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import fastifyJwt from '@fastify/jwt'
import fastifyStatic from '@fastify/static'
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import wsPlugin from 'fastify-ws-manager'
import { accountRoutes } from './accounts.js'
import { CHAT_CHANNEL, chat, chatRules } from './chat.js'
import { taskRoutes } from './tasks.js'

// Compiled, this file is in dist/example-app; the page is not compiled and stays where it is.
const publicFolder = fileURLToPath(new URL('../../example-app/public', import.meta.url))

/** An app with accounts, long-running tasks that ask their user, a chat, and a page that shows them. */
export async function createApp (options: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(options)
  await app.register(fastifySwagger, { openapi: { info: { title: 'fastify-ws-manager: the example app', version: '1.0.0' } } })
  await app.register(fastifySwaggerUi, { routePrefix: '/docs' })
  // Without JWT_SECRET every start has a new secret, and with it everybody signs in again.
  await app.register(fastifyJwt, { secret: process.env.JWT_SECRET ?? randomBytes(32).toString('hex'), sign: { expiresIn: '8h' }, verify: { algorithms: ['HS256'] } })
  await app.register(wsPlugin, {
    authorizeSubscribe: (user, channel) => user !== null && channel === CHAT_CHANNEL,
    channels: chatRules
  })
  await app.register(accountRoutes)
  await app.register(taskRoutes)
  await app.register(chat)
  await app.register(fastifyStatic, { root: publicFolder })
  return app
}
