/*
 * A node of a run whose clients are in a browser: the plugin as it is built, on Redis, with the page and what the page asks for. What
 * it needs is in the first argument, as JSON; the run talks to it over IPC. It goes when it is told to (SIGTERM), and with the run.
 */
import Fastify from 'fastify'
import wsPlugin from 'fastify-ws-manager'
import { redis } from 'fastify-ws-manager/redis'
import { Redis } from 'ioredis'
import { serveClientPage } from '../../dist/test/fixtures/client-page.js'
import { publishTo, serveRun } from '../fixtures/run-node.mjs'

const { port, redis: { port: redisPort }, secret, options } = JSON.parse(process.argv[2])

const app = Fastify()
const states = new Redis(redisPort, '127.0.0.1')
await app.register(wsPlugin, {
  ...options,
  jwt: { secret },
  authorizeSubscribe: () => true,
  engine: redis({ host: '127.0.0.1', port: redisPort }),
  limits: { connectionsPerIpPerMinute: 0, messagesPerSecond: 0, bytesPerSecond: 0, joinsPerSecond: 0, maxConnectionsPerUser: 1_000, maxErrorsPerMinute: 1_000_000 }
})
serveClientPage(app)

/** A channel's state: the last number of each producer. Its position is taken before it is read. */
app.get('/state/:channel', async ({ params: { channel } }) => {
  const position = await app.ws.position(`channel:${channel}`)
  return { state: await states.hgetall(`state:${channel}`), position }
})

const commands = {
  /** The state says it before the message does. */
  async publish (topic, message, sendOptions) {
    if (topic.startsWith('channel:')) await states.hset(`state:${topic.slice(8)}`, message.producer, message.n)
    return publishTo(app, topic, message, sendOptions)
  }
}

await serveRun(app, port, commands, () => states.disconnect())
