/*
 * The product as an app runs it: sockets with a token, an authorised channel in the URL, every outbound message and every
 * request checked against its schema. Only the switch that a scenario is about is set, and `limits` that one machine with
 * all the clients, or one client with all the requests, would run into: they are checked all the same.
 */
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import wsPlugin from '../../dist/lib/index.js'
import { redis } from '../../dist/lib/engine/redis/redis.js'
import { MESSAGE_TYPE, REQUEST_TYPE } from '../shared/payloads.mjs'
import { Fields, Reply, Request } from './schemas.mjs'
import { control, settings } from './control.mjs'

const RAISED = { messagesPerSecond: 10_000_000, burst: 10_000_000, bytesPerSecond: 10_000_000, burstBytes: 10_000_000, connectionsPerIpPerMinute: 10_000_000 }
const { limits, ...options } = settings.options ?? {}

const app = Fastify()
await app.register(wsPlugin, {
  jwt: { secret: settings.secret },
  authorizeSubscribe: (user, channel) => user?.claims.channel === channel,
  limits: { ...RAISED, ...limits },
  ...settings.redisPort === undefined ? {} : { engine: redis(new Redis(settings.redisPort)) },
  ...options
})
app.ws.declare(MESSAGE_TYPE, Type.Object({ type: Type.Literal(MESSAGE_TYPE), ...Fields.properties }))
app.ws.handle(REQUEST_TYPE, { schema: Request, reply: Reply }, ({ text }) => ({ text }))
await app.listen({ host: '127.0.0.1', port: 0, backlog: 4096 })

control({
  port: app.server.address().port,
  all: (fields) => app.ws.broadcast({ type: MESSAGE_TYPE, ...fields }),
  channel: (channel, fields) => app.ws.sendToChannel(channel, { type: MESSAGE_TYPE, ...fields }),
  user: (user, fields) => app.ws.sendToUser(user, { type: MESSAGE_TYPE, ...fields }),
  ask: (user) => app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: user, taskId: 'bench' }),
  describe: () => app.ws.getStatus()
})
