/*
 * Does memory stay flat? Clients come and go, subscribe, call, answer questions and are spoken to for some minutes,
 * while the server's heap is read after a garbage collection every few seconds. Ends with a verdict and an exit code.
 *
 *   node --expose-gc test/soak/run.mjs [minutes, default 3]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import wsPlugin from 'fastify-ws-manager'

const minutes = Number(process.argv[2] ?? 3)
const SAMPLE_MS = 5_000
/** How much of the heap of the first samples the last ones may lie above it. */
const TOLERANCE = 0.05
/** Messages, ended questions and tasks are kept this long: short, so that they are part of the steady state. */
const RETAIN_MS = 2_000

const app = Fastify()
await app.register(wsPlugin, {
  jwt: { secret: 'a secret for the soak that is long enough' },
  // Every client is on this machine, and asks as fast as it is answered.
  limits: { connectionsPerIpPerMinute: 0, messagesPerSecond: 0, bytesPerSecond: 0, joinsPerSecond: 0 },
  authorizeSubscribe: () => true,
  confirmations: { retainMs: RETAIN_MS, timeoutMs: 1_000 },
  tasks: { retainMs: RETAIN_MS },
  history: { ttlMs: RETAIN_MS }
})
app.ws.handle('soak.add', { schema: Type.Object({ a: Type.Number(), b: Type.Number() }) }, ({ a, b }) => a + b)
await app.listen({ port: 0, host: '127.0.0.1' })
const tokens = Array.from({ length: 50 }, (_, i) => app.jwt.sign({ sub: `user-${i}` }, { expiresIn: '8h' }))
const clients = spawn(process.execPath, [fileURLToPath(new URL('clients.mjs', import.meta.url)), app.listeningOrigin, JSON.stringify(tokens)], { stdio: ['ignore', 'inherit', 'inherit'] })

const end = Date.now() + minutes * 60_000
const counts = { connects: 0, messages: 0, questions: 0 }
app.ws.on('client_connected', () => { counts.connects++ })
const speaking = speak()
const samples = []
await sleep(Math.min(20_000, minutes * 15_000))
while (Date.now() < end) {
  for (let i = 0; i < 3; i++) globalThis.gc()
  const { heapUsed, rss } = process.memoryUsage()
  samples.push(heapUsed)
  console.log(`${new Date().toISOString().slice(11, 19)}  heap ${toMiB(heapUsed)}  rss ${toMiB(rss)}  sockets ${app.ws.getConnectionCount()}  connects ${counts.connects}  messages ${counts.messages}  questions ${counts.questions}`)
  await sleep(SAMPLE_MS)
}
await speaking
clients.kill('SIGTERM')
await once(clients, 'exit')
while (app.ws.getConnectionCount() > 0) await sleep(50)
await sleep(RETAIN_MS * 2)
const third = Math.floor(samples.length / 3)
const growth = mean(samples.slice(-third)) / mean(samples.slice(0, third)) - 1
const { users, channels, pending_callbacks: pending } = app.ws.getStatus()
console.log(`heap: last third ${(growth * 100).toFixed(1)} % above the first; left behind: ${users} users, ${channels} channels, ${pending} questions`)
await app.close()
process.exitCode = growth <= TOLERANCE && users + channels + pending === 0 ? 0 : 1

async function speak () {
  for (let n = 0; Date.now() < end; n++) {
    const user = `user-${n % 50}`
    await app.ws.broadcast({ type: 'soak.news', n, padding: 'x'.repeat(n % 400) })
    await app.ws.sendToChannel(`room-${n % 10}`, { type: 'soak.room', n })
    await app.ws.sendToUser(user, { type: 'soak.mail', n })
    counts.messages += 3
    if (n % 20 === 0) {
      counts.questions++
      app.ws.notifyUser({ step: n, message: 'Go on?' }, { userId: user, taskId: `task-${n}` })
      const { task } = await app.ws.tasks.start({ userId: user })
      app.ws.startHeartbeat({ userId: user, taskId: task.task_id, intervalMs: 100 })
      setTimeout(() => app.ws.tasks.done(task.task_id), 500)
    }
    await sleep(5)
  }
}

function toMiB (bytes) {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}

function mean (values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
