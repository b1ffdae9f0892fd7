/*
 * One node of a run: the plugin as it is built, on Redis. What it needs is in the first argument, as JSON; the run talks to it over
 * IPC. It goes when it is told to (SIGTERM), and with the run.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import Fastify from 'fastify'
import wsPlugin from 'fastify-ws-manager'
import { redis } from 'fastify-ws-manager/redis'
import { Cluster } from 'ioredis'
import { publishTo, serveRun } from '../fixtures/run-node.mjs'

const { port, redis: address, secret, engine, options } = JSON.parse(process.argv[2])

const onThisMachine = (ports) => ports.map((port) => ({ host: '127.0.0.1', port }))

function sourceOf ({ port, sentinels, name, cluster }) {
  // The engine makes its own connections like this one.
  if (cluster !== undefined) return new Cluster(onThisMachine(cluster), { lazyConnect: true })
  return sentinels === undefined ? { host: '127.0.0.1', port } : { sentinels: onThisMachine(sentinels), name }
}

const app = Fastify()
/** True if publications of this node are held back for ever, as in a process that is about to die. */
let holdsBack = false
function holding (engine) {
  const publish = engine.publish.bind(engine)
  engine.publish = (...args) => holdsBack ? new Promise(() => {}) : publish(...args)
  return engine
}
/** The longest that a publication or a request took here, milliseconds. What a busy machine makes the whole process wait for is looked at apart. */
let slowestMs = 0
const delay = monitorEventLoopDelay()
delay.enable()
const took = (ms) => { slowestMs = Math.max(slowestMs, ms) }
app.addHook('onResponse', async (_request, { elapsedTime }) => took(elapsedTime))
await app.register(wsPlugin, {
  ...options,
  jwt: { secret },
  authorizeSubscribe: () => true,
  engine: async (context) => holding(await redis(sourceOf(address), engine)(context)),
  // All clients are on one machine, those of a node that ends come to the others, and to be too late with an answer is an error.
  limits: {
    maxConnections: 10_000, connectionsPerIpPerMinute: 0, messagesPerSecond: 0, bytesPerSecond: 0, joinsPerSecond: 0, maxErrorsPerMinute: 1_000_000, maxPendingConfirmationsPerUser: 10_000
  }
})

/** When it could do everything and when not, by the clock that all processes of a machine share. */
const readiness = []
app.ws.on('readiness_changed', ({ ready }) => { readiness.push({ at: Date.now(), isReady: ready }) })

const commands = {
  readiness: async () => readiness,
  slowest: async () => ({ slowestMs, delayMs: delay.max / 1_000_000 }),
  forget: async () => {
    slowestMs = 0
    delay.reset()
  },
  holdBack: async () => { holdsBack = true },
  async publish (topic, message, options) {
    const from = performance.now()
    return publishTo(app, topic, message, options).finally(() => took(performance.now() - from))
  },
  ask: (options) => app.ws.notifyUser({ step: 1, message: 'Go on?' }, options),
  wait: (callbackId) => app.ws.confirmations.wait(callbackId),
  async pending () {
    let count = 0
    let after
    do {
      const page = await app.ws.confirmations.list({ status: 'pending', limit: 1000, after })
      count += page.confirmations.length
      after = page.next
    } while (after !== null)
    return count
  },
  connections: async () => app.ws.getConnectionCount(),
  revoke: (target) => app.ws.revoke(target),
  status: async () => app.ws.getStatus(),
  presence: (channel) => app.ws.presence(channel),
  history: (channel) => app.ws.history(`channel:${channel}`)
}

await serveRun(app, port, commands)
