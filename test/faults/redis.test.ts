import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { until } from '../fixtures/until.js'
import { Deployment, type DeploymentOptions } from './deployment.js'
import { fault, lengthy, settledInTime, underLoad } from './fault.js'
import type { Load } from './load.js'

t.setTimeout(lengthy(3_600_000, 180_000))

const CALM_MS = lengthy(2_000, 200)

/** One deployment for all faults that leave it whole. */
let plain: Promise<Deployment> | null = null
const onPlain = () => (plain ??= Deployment.start(t))

/**
 * kill -9, and a supervisor that starts it again.
 *
 * @param gapsEach how many announcements there are at least after each time
 */
async function crash (t: Test, options: DeploymentOptions, { isLossless, gapsEach = 0 }: { isLossless: boolean, gapsEach?: number }) {
  const deployment = await Deployment.start(t, options)
  let gaps = 0
  const figures = await underLoad(t, deployment, async (load) => {
    for (let crash = 0; crash < lengthy(5, 1); crash++) {
      const before = load.announcements
      await setTimeout(CALM_MS)
      await deployment.redis.kill()
      await setTimeout(300)
      await deployment.redis.start()
      await until(() => load.announcements >= before + gapsEach)
      await setTimeout(CALM_MS)
    }
    gaps = load.announcements
  }, { isLossless })
  return { ...figures, gaps }
}

for (const policy of lengthy(['always', 'everysec'], ['always'])) {
  fault(`kill -9 redis-server, AOF with appendfsync ${policy}`, async (t) =>
    crash(t, { redis: { isDurable: true, config: ['--appendfsync', policy] } }, { isLossless: policy === 'always' }))
}

// Everybody is told.
fault('kill -9 redis-server, nothing on disk', async (t) => crash(t, {}, { isLossless: false, gapsEach: lengthy(1_500, 90) }))

/** Whatever needs Redis is answered at once by who can, with 503 by who cannot, and never later than in time. */
async function callsFail (t: Test, load: Load): Promise<void> {
  await Promise.all(load.callsOf('admin').map(async (call) => {
    const failing: [method: 'GET' | 'POST' | 'DELETE', path: string, body?: object][] = [
      ['POST', '/ws/broadcast', { message: { type: 'x.y' } }],
      ['POST', '/ws/users/nobody/messages', { message: { type: 'x.y' }, options: { ack: { timeoutMs: 50, tries: 1 } } }],
      ['GET', '/ws/channels/room-0'],
      ['GET', '/ws/confirmations?user_id=user-0'],
      ['GET', '/ws/confirmations/6a8e1cc8-6a5b-4b0c-8f41-97d2ae5e1b44?wait=1'],
      ['POST', '/ws/confirmations/6a8e1cc8-6a5b-4b0c-8f41-97d2ae5e1b44', { proceed: true }],
      ['DELETE', '/ws/confirmations/6a8e1cc8-6a5b-4b0c-8f41-97d2ae5e1b44']
    ]
    await Promise.all(failing.map(async ([method, path, body]) => {
      const error = await call(method, path, body).then((answer) => answer, (error) => error)
      t.match(error, { status: 503, retryAfter: /^\d+$/ }, `${method} ${path}`)
    }))
    // Once the loss is noticed it is not known either who may ask.
    const { status, complete, missing } = await call('GET', '/ws/status?cluster=true').catch((error) => error)
    t.ok(status === 503 || (complete === false && missing === null), `GET /ws/status?cluster=true: ${status ?? missing}`)
  }))
}

for (const seconds of lengthy([1, 5, 20], [5])) {
  fault(`SIGSTOP redis-server for ${seconds} s`, async (t) => {
    const deployment = await onPlain()
    let [stoppedAt, resumedAt] = [0, 0]
    const figures = await underLoad(t, deployment, async (load) => {
      await setTimeout(CALM_MS)
      const { opened } = load
      deployment.redis.pause()
      stoppedAt = Date.now()
      if (seconds > 2) await callsFail(t, load)
      if (seconds > 2) await until(() => deployment.nodes.every((_, index) => !deployment.isReady(index)))
      await setTimeout(Math.max(0, stoppedAt + seconds * 1_000 - Date.now()))
      deployment.redis.resume()
      resumedAt = Date.now()
      await setTimeout(CALM_MS)
      await deployment.allReady()
      t.equal(load.opened, opened, 'all sockets stay open')
    })
    if (seconds <= 2) return figures
    const changes = await deployment.readinessSince(stoppedAt)
    t.strictSame(changes.map((changes) => changes.map(({ isReady }) => isReady)), changes.map(() => [false, true]))
    const unreadyMs = Math.max(...changes.map(([down]) => down!.at - stoppedAt))
    const readyMs = Math.max(...changes.map(([, up]) => up!.at - resumedAt))
    t.ok(unreadyMs <= 5_000 + figures.delayMs!, 'readiness says so')
    t.ok(settledInTime(figures), 'every call settles in time')
    return { ...figures, unreadyMs, readyMs }
  })
}

for (const type of ['normal', 'pubsub']) {
  fault(`CLIENT KILL TYPE ${type} every 150 ms`, async (t) => {
    const deployment = await onPlain()
    let kills = 0
    const figures = await underLoad(t, deployment, async () => {
      for (; kills < lengthy(400, 10); kills++) {
        await setTimeout(150)
        await deployment.redis.admin.client('KILL', 'TYPE', type, 'SKIPME', 'yes')
      }
    })
    t.equal(figures.uncertain, 0, 'every publication was acknowledged')
    return { ...figures, kills }
  })
}

fault('CLIENT PAUSE for 5 s', async (t) => {
  const deployment = await onPlain()
  const figures = await underLoad(t, deployment, async () => {
    await setTimeout(CALM_MS)
    await deployment.redis.admin.call('CLIENT', 'PAUSE', lengthy(5_000, 3_000))
    await setTimeout(lengthy(5_000, 3_000) + CALM_MS)
  })
  t.ok(settledInTime(figures), 'every call settles in time')
  return figures
})

fault('SCRIPT FLUSH every 50 ms', async (t) => {
  const deployment = await onPlain()
  let flushes = 0
  const figures = await underLoad(t, deployment, async () => {
    for (; flushes < lengthy(200, 10); flushes++) {
      await setTimeout(50)
      await deployment.redis.admin.script('FLUSH')
    }
  })
  t.equal(figures.uncertain, 0, 'every publication was acknowledged')
  return { ...figures, flushes }
})

fault('FLUSHALL', async (t) => {
  const deployment = await onPlain()
  let gaps = 0
  const figures = await underLoad(t, deployment, async (load) => {
    for (let flush = 0; flush < lengthy(5, 1); flush++) {
      await setTimeout(CALM_MS)
      await deployment.redis.admin.flushall()
      await setTimeout(CALM_MS)
    }
    await until(() => load.announcements >= load.clients.length)
    gaps = load.announcements
  }, { isLossless: false })
  return { ...figures, gaps }
})
