import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Health } from '../../../lib/engine/redis/health.js'
import { Keys } from '../../../lib/engine/redis/keys.js'
import { Link } from '../../../lib/engine/redis/link.js'
import { Probe } from '../../../lib/engine/redis/probe.js'
import { Recovery } from '../../../lib/engine/redis/recovery.js'
import { tagOf } from '../../../lib/engine/redis/slots.js'
import { listening } from '../../fixtures/engine-suite.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { nodesOf, silent } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

const EVERY_MS = 5_000
const [FIRST, SECOND] = [tagOf(0), tagOf(2)]

/** The answers of a server. */
const refusal = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })

/** A probe of a cluster of two masters, one with a replica, or of one server; and what it has found. */
async function probing (t: Test, { isCluster = true } = {}) {
  const clock = new FakeClock(t)
  const client = new FakeRedis()
  if (isCluster) Object.assign(client, { slots: [['a:1'], undefined, ['b:1', 'c:1'], ['a:1']] })
  const link = new Link(client.factory(isCluster), 2_000, silent, { onConnect: async () => {}, onUp: () => {}, onDown: () => {} })
  const found: string[] = []
  const probe = new Probe(link, new Keys('wsm', 0, isCluster), { isCluster, publishCommand: isCluster ? 'SPUBLISH' : 'PUBLISH', timeoutMs: 2_000, everyMs: EVERY_MS }, {
    onResult: (reasons) => { found.push(reasons.join(' ') || 'fine') },
    onRecovered: () => { found.push('recovered') }
  })
  t.teardown(() => {
    probe.close()
    link.close()
  })
  /** Faults by the hash tag of a key. */
  const faults = new Map<string, unknown>()
  const commands: string[][] = []
  client.answer = async (command) => {
    const call = client.calls.at(-1)!
    if (command === 'ping') return 'PONG'
    commands.push(call.split(' ').slice(6))
    for (const [tag, fault] of faults) if (call.includes(`{${tag}}`)) return Promise.reject(fault)
    return []
  }
  link.open()
  while (!link.isUp) await setImmediate()
  await probe.open()
  /** Time within which the fault is to be found. */
  const after = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500)
      for (let turns = 0; turns < 5; turns++) await setImmediate()
    }
    return found.splice(0)
  }
  return { client, link, probe, faults, found, commands, after }
}

t.test('each master of a cluster is probed, and a fault of one makes the node degraded', async (t) => {
  const { client, faults, found, after } = await probing(t)
  t.strictSame(found.splice(0), ['fine'])
  const keys = client.calls.filter((call) => call.startsWith('evalsha')).map((call) => /\{.*?\}/.exec(call)![0])
  t.strictSame(keys, [`{${FIRST}}`, `{${SECOND}}`])
  for (const [fault, reason] of [
    [refusal('CLUSTERDOWN Hash slot not served'), 'shard_unreachable'], [new Error('Connection is closed.'), 'shard_unreachable'],
    [refusal('OOM command not allowed'), 'writes_refused'], [refusal('NOPERM no'), 'access_denied']
  ] as const) {
    faults.set(SECOND, fault)
    t.ok((await after(EVERY_MS)).includes(reason), reason)
    faults.clear()
    t.strictSame((await after(EVERY_MS)).slice(-2), ['recovered', 'fine'])
  }
})

t.test('with a fault at every master the node is unavailable unless one can be read', async (t) => {
  const { faults, found, after } = await probing(t)
  found.length = 0
  for (const tag of [FIRST, SECOND]) faults.set(tag, refusal('CLUSTERDOWN The cluster is down'))
  t.ok((await after(EVERY_MS)).every((found) => found === 'unreachable'))
  for (const tag of [FIRST, SECOND]) faults.set(tag, refusal('NOPERM no'))
  t.equal((await after(EVERY_MS)).at(-1), 'unreachable access_denied')
})

t.test('a fault is probed soon after a failed call, then every second, and ends after two good probes', async (t) => {
  const { probe, faults, found, commands, after } = await probing(t, { isCluster: false })
  t.strictSame(found.splice(0), ['fine'])
  t.ok(commands[0]!.includes('HGET'), 'at first it is asked what may be done')
  t.strictSame(await after(EVERY_MS), ['fine'])
  t.strictSame(commands[1], [], 'and later only where something has failed')
  faults.set('all', refusal('OOM command not allowed'))
  probe.soon()
  t.strictSame(await after(1_000), ['unreachable'], 'neither can it be read')
  t.strictSame(await after(3_000), ['unreachable', 'unreachable', 'unreachable'])
  faults.clear()
  t.strictSame(await after(2_000), ['recovered', 'fine'])
  t.ok(commands.at(-1)!.includes('HGET'))
})

t.test('neither a probe on a replaced connection nor silence of a single server counts as a fault', async (t) => {
  const { client, link, probe, faults, found, after } = await probing(t, { isCluster: false })
  found.length = 0
  faults.set('all', new Error('Connection is closed.'))
  probe.soon()
  t.strictSame(await after(3_000), [])
  faults.set('all', refusal('OOM command not allowed'))
  client.answer = async () => {
    link.drop(client, null)
    return []
  }
  t.strictSame(await after(1_000), [])
})

/** Counts from now on how often a probe has ended. */
function countProbes (t: Test): { probes: number } {
  const counts = { probes: 0 }
  const { report } = Health.prototype
  t.intercept(Health.prototype, 'report', {
    value: function (this: Health, ...args: Parameters<typeof report>) {
      if (args[0] === 'probe') counts.probes++
      return report.apply(this, args)
    }
  })
  return counts
}

t.test('a node probes about as often as it renews its lease', async (t) => {
  const server = await RedisServer.start(t)
  const counts = Object.assign(countProbes(t), { renewals: 0 })
  const { renewed } = Recovery.prototype
  t.intercept(Recovery.prototype, 'renewed', {
    value: function (this: Recovery, isForgotten: boolean) {
      counts.renewals++
      renewed.call(this, isForgotten)
    }
  })
  await listening(t, nodesOf(server.port, { leaseMs: 300 }))
  Object.assign(counts, { probes: 0, renewals: 0 })
  await until(() => counts.renewals === 6)
  t.ok(counts.probes >= 3, `${counts.probes} probes in 6 renewals`)
})

t.test('the error of a refused call names the commands that Redis refuses now, if Redis tells', async (t) => {
  const { client, link, probe, faults } = await probing(t)
  const error = new Error('refused')
  t.equal(await probe.nameRefused(error), error, 'it refuses nothing')
  faults.set(FIRST, refusal('OOM command not allowed'))
  t.equal(await probe.nameRefused(error), error, 'another fault')
  client.answer = async () => ['HSET', 'XADD']
  t.match(await probe.nameRefused(error), { code: 'WSM_ERR_UNAVAILABLE', message: /its user may not run hset, xadd: allow it with \+hset \+xadd$/ })
  link.close()
  t.equal(await probe.nameRefused(error), error, 'there is no connection')
})

t.test('a node that has a connection again probes Redis at once', async (t) => {
  const server = await RedisServer.start(t)
  const { engine } = await listening(t, nodesOf(server.port, { leaseMs: 180_000 }))
  const counts = countProbes(t)
  await server.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  // The regular one comes a minute later.
  await until(() => counts.probes > 0, { withinMs: 20_000 })
  t.equal(engine.cluster.availability.status, 'ready')
})
