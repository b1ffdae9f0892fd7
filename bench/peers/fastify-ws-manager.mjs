/*
 * The product as an app runs it: sockets with a token, an authorised channel in the URL, every outbound message and every
 * request checked against its schema. Only the switch that a scenario is about is set, and `limits` that one machine with
 * all the clients, or one client with all the requests, would run into: they are checked all the same.
 *
 * Also run with builds of earlier commits, so it uses what has long been public, and loads Redis only where it is needed.
 */
import { pathToFileURL } from 'node:url'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { MESSAGE_TYPE, REQUEST_TYPE } from '../shared/payloads.mjs'
import { Fields, Reply, Request } from './schemas.mjs'
import { control, settings } from './control.mjs'

const MANY = 10_000_000
const RAISED = { messagesPerSecond: MANY, burst: MANY, bytesPerSecond: MANY, burstBytes: MANY, connectionsPerIpPerMinute: MANY }

const folder = settings.build === undefined ? new URL('../../', import.meta.url) : pathToFileURL(`${settings.build}/`)
const load = (file) => import(new URL(`dist/lib/${file}`, folder))
const { default: wsPlugin } = await load('index.js')
const engine = settings.redisPort === undefined ? undefined : await connectRedis(settings.redisPort)
const { limits, ...options } = settings.options ?? {}

const app = await start(RAISED)
app.ws.declare(MESSAGE_TYPE, Type.Object({ type: Type.Literal(MESSAGE_TYPE), ...Fields.properties }))
app.ws.handle(REQUEST_TYPE, await schemasOfRequests(settings.schemas), ({ text }) => ({ text }))
await app.listen({ host: '127.0.0.1', port: 0, backlog: 4096 })

control({
  port: app.server.address().port,
  all: (fields) => app.ws.broadcast({ type: MESSAGE_TYPE, ...fields }),
  channel: (channel, fields) => app.ws.sendToChannel(channel, { type: MESSAGE_TYPE, ...fields }),
  user: (user, fields) => app.ws.sendToUser(user, { type: MESSAGE_TYPE, ...fields }),
  ask: (user) => app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: user, taskId: 'bench' }),
  describe: () => app.ws.getStatus()
})

/** A build that does not know a limit refuses its name, and has nothing to raise: it is started without. */
async function start (raised) {
  const app = Fastify()
  try {
    await app.register(wsPlugin, {
      jwt: { secret: settings.secret },
      authorizeSubscribe: (user, channel) => user?.claims.channel === channel,
      limits: { ...raised, ...limits },
      ...engine === undefined ? {} : { engine },
      ...options
    })
    return app
  } catch (error) {
    const { [unknownLimit(error, raised)]: unknown, ...known } = raised
    if (unknown === undefined) throw error
    return start(known)
  }
}

function unknownLimit ({ code, message }, raised) {
  return code === 'WSM_ERR_INVALID_OPTION' ? Object.keys(raised).find((name) => message.includes(`"limits.${name}"`)) : undefined
}

/** TypeBox 1.x is loaded only where it is needed: the others are measured without it. */
async function schemasOfRequests (kind) {
  if (kind === undefined) return { schema: Request, reply: Reply }
  const { requestSchemas } = await import('./request-schemas.mjs')
  return requestSchemas[kind]
}

async function connectRedis (port) {
  const { Redis } = await import('ioredis')
  const { redis } = await load('engine/redis/redis.js')
  return redis(new Redis(port))
}
