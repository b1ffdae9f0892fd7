import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure, isLong, quantile } from '../fixtures/attacks.js'
import { HostileCrowd, Munition } from '../fixtures/hostile-crowd.js'
import { random } from '../fixtures/random.js'
import { until } from '../fixtures/until.js'

const MB = 1_000_000
const HEAP_MB = 256
const HOSTILE = amount({ short: 80, long: 200 })
const HONEST = amount({ short: 5, long: 40 })
const ROUNDS = amount({ short: 1, long: 20 })
/** Of a round; a machine that is busy takes its time, and does as much. */
const TICKS = amount({ short: 12, long: 40 })
const PAUSE_MS = 60
/** How long an honest client waits for an answer: a machine may be busy with other things for seconds. */
const PATIENCE_MS = 20_000
/** Of honest p99 with the attack to that without. Seconds on a busy machine tell no ratio: then it is enough that all are answered. */
const MOST = 2
/** All of the process at any time: the heap as it is bounded, what 200 sockets may hold outside of it, and Node itself. */
const MOST_RSS_MB = 512
/** After the attack, with a full history. */
const MOST_HELD_MB = 160

function start (t: Test): Promise<AttackedServer> {
  return AttackedServer.start(t, { auth: { firstFrame: true }, limits: { connectionsPerIpPerMinute: 600 } }, {}, { execArgv: [`--max-old-space-size=${HEAP_MB}`] })
}

t.test('the server survives 200 sockets that use every frame and route at the limits, and serves others', { timeout: 600_000 }, async (t) => {
  const seed = Date.now() % 1_000_000
  t.comment(`seed ${seed}`)
  const server = await start(t)
  const routes = await server.ask('routes')
  t.ok(routes.length > 20, `${routes.length} routes`)
  const chance = random(seed)
  const munition = new Munition(routes, chance)
  const honest = await Promise.all(Array.from({ length: HONEST }, (_, i) => server.connect(`user-${i}`)))
  let latencies: number[] = []
  const run = { isOver: false }
  const failures: string[] = []
  const asking = honest.map(async (client, i) => {
    try {
      while (!run.isOver) {
        const start = performance.now()
        const answer = once(client.socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
        client.send({ type: 'ping' })
        await answer
        latencies.push(performance.now() - start)
        client.received.length = client.queue.length = 0
        await setTimeout(PAUSE_MS)
      }
    } catch (error) {
      failures.push(`user-${i}: ${(error as Error).message.slice(0, 80)}`)
    }
  })

  const crowds: { attacked: HostileCrowd, calm?: HostileCrowd } = { attacked: new HostileCrowd(server, munition, HOSTILE, chance) }
  // The same costs this machine as much when it goes to another server: what differs is the server's. Short rounds do not tell it.
  if (isLong) crowds.calm = new HostileCrowd(await start(t), munition, HOSTILE, chance)
  const p99s: Record<keyof typeof crowds, number[]> = { attacked: [], calm: [] }
  let samples = 0
  await server.ask('memory')
  for (const crowd of Object.values(crowds)) {
    while (crowd.opened < HOSTILE && failures.length === 0) {
      await crowd.tick()
    }
  }
  for (let round = 0; round < (isLong ? ROUNDS * 2 : ROUNDS) && failures.length === 0; round++) {
    // In turn, and each as often first.
    const kind = isLong && (round % 4 === 0 || round % 4 === 3) ? 'calm' : 'attacked'
    latencies = []
    // On a busy machine a round can end before anybody is answered: it goes on until somebody is, or has failed.
    for (let tick = 0; tick < TICKS || (latencies.length === 0 && failures.length === 0); tick++) {
      await crowds[kind]!.tick()
    }
    samples += latencies.length
    p99s[kind].push(quantile(latencies, 0.99))
  }
  run.isOver = true
  await Promise.all(asking)
  for (const crowd of Object.values(crowds)) crowd.stop()
  t.strictSame(failures, [], 'every honest request was answered')
  const { sent, opened, answers } = crowds.attacked
  t.ok(opened >= HOSTILE, `${opened} hostile sockets were open`)
  t.ok(Object.keys(answers).length >= (isLong ? 4 : 1), `REST answers: ${JSON.stringify(answers)}`)
  t.equal(answers['500'], undefined, 'nothing has failed inside')

  await until(async () => (await server.ask('report')).status.active_connections === HONEST)
  const { uncaught, isIntact, status } = await server.ask('report')
  t.same(uncaught, [])
  t.equal(isIntact, true, 'no prototype has changed')
  const { peakRss, heldBytes } = await server.ask('memory')
  t.ok(peakRss <= MOST_RSS_MB * MB, `${Math.round(peakRss / MB)} MB at the most`)
  t.ok(heldBytes <= MOST_HELD_MB * MB, `${Math.round(heldBytes / MB)} MB held afterwards`)
  const attacked = quantile(p99s.attacked, 0.5)
  let compared = `${samples} requests`
  if (isLong) {
    const calm = quantile(p99s.calm, 0.5)
    const ratio = attacked / calm
    t.ok(ratio <= MOST, `p99 of the others: ${ratio.toFixed(2)} times that without the attack`)
    compared = `without the attack ${calm.toFixed(1)} ms: ratio ${ratio.toFixed(2)} (medians of ${ROUNDS} interleaved rounds each, ${samples} requests)`
  }
  const refused = Object.values(status.rejected).reduce((sum, count) => sum + count, 0)
  figure(t, 'survival', `${sent} frames and requests by ${HOSTILE} sockets (seed ${seed}), ${refused} refused by limits, with ${HEAP_MB} MB of heap: ${uncaught.length} uncaught, ` +
    `${Math.round(peakRss / MB)} MB resident at the most, ${Math.round(heldBytes / MB)} MB held afterwards; p99 of ${HONEST} others ${attacked.toFixed(1)} ms, ${compared}`)
})
