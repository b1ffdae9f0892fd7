import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Strays } from '../../../lib/engine/redis/strays.js'
import { client, listening, taken } from '../../fixtures/engine-suite.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { Gate } from '../../fixtures/gate.js'
import { keepingLog, nodesOf, silent } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

const LEASE_MS = 10_000
/** Numbers of calls per term of a node. */
const CALLS = 2 ** 40

t.test('what a node left behind in a channel is removed, in whatever term it was, and its users are told to have left', async (t) => {
  const server = await RedisServer.start(t)
  const prefix = randomUUID()
  const options = { leaseMs: 300, prefix }
  const [near, other] = [await listening(t, nodesOf(server.port, options)), await listening(t, nodesOf(server.port, options))]
  await near.engine.subscribe('channel:room')
  await near.engine.presence.add('room', client('near', 'alice'))
  await other.engine.presence.add('room', client('other', 'carol'))
  const keys = `${prefix}:{channel:room}`
  const { admin } = server
  // As a node does that ends while it adds a client: nothing lists it in the channel any more.
  for (const [node, call] of [['young', 7], ['old', 3 * CALLS + 1]] as const) {
    await admin.hset(`${keys}:clients`, `of ${node}`, `9 ${node} "${node}"`)
    await admin.hset(`${keys}:users`, `"${node}"`, 1)
    await admin.hset(`${keys}:nodes`, node, call)
  }
  await admin.hset(`${keys}:clients`, 'of none', '9 none "none"')
  await admin.hset(`${keys}:users`, '"none"', 1)
  const ids = async () => (await near.engine.presence.list('room')).map(({ client_id: id }) => id)
  t.strictSame((await ids()).sort(), ['near', 'of none', 'of old', 'of young', 'other'])
  await until(async () => (await ids()).length === 2)
  t.strictSame(await ids(), ['near', 'other'])
  t.strictSame((await taken(near.changes, 5)).sort(), ['alice joined room', 'carol joined room', 'none left room', 'old left room', 'young left room'])
  t.strictSame(await admin.hkeys(`${keys}:users`), ['"alice"', '"carol"'])
})

/** Strays whose leases are these. */
function straysOf (t: Test, { alive = [], leases = async () => ({ nodes: ['self'], isCertain: true }), log = silent, remove = async () => {} }: {
  alive?: string[]
  leases?: () => Promise<{ nodes: string[], isCertain: boolean }>
  log?: typeof silent
  remove?: () => Promise<void>
}) {
  const removed: string[] = []
  const strays = new Strays({
    leaseMs: LEASE_MS,
    isAlive: (id) => alive.includes(id),
    leases,
    remove: async (channel, id) => {
      removed.push(`${id} ${channel}`)
      await remove()
    }
  }, log)
  t.teardown(() => strays.close())
  return { strays, removed }
}

t.test('a node has as long as a lease to be heard of', async (t) => {
  const clock = new FakeClock(t)
  const alive: string[] = []
  const { strays, removed } = straysOf(t, { alive })
  strays.seen('a', ['x', 'y'])
  clock.advance(LEASE_MS - 1)
  alive.push('y')
  strays.seen('a', ['x', 'y'])
  await setImmediate()
  t.strictSame(removed, [])
  alive.pop()
  clock.advance(1)
  strays.seen('b', ['x', 'y'])
  await setImmediate()
  t.strictSame(removed, ['x b'], 'what counts is when it was last known')
})

t.test('a node with a lease stays, and so does every node while leases may be lost', async (t) => {
  const clock = new FakeClock(t)
  let leases = { nodes: ['self', 'x'], isCertain: true }
  const { strays, removed } = straysOf(t, { leases: async () => leases })
  const look = async () => {
    clock.advance(LEASE_MS)
    strays.seen('a', ['x'])
    await setImmediate()
    return removed
  }
  strays.seen('a', ['x'])
  t.strictSame(await look(), [])
  leases = { nodes: ['self'], isCertain: false }
  t.strictSame(await look(), [])
  leases = { nodes: ['self'], isCertain: true }
  t.strictSame(await look(), ['x a'])
})

t.test('of a channel that is read often a node is removed once, and again only where that failed', async (t) => {
  const clock = new FakeClock(t)
  const gate = new Gate()
  const { log, messages } = keepingLog()
  const { strays, removed } = straysOf(t, {
    log,
    remove: async () => {
      await gate.wait()
      if (removed.length === 1) throw new Error('no answer')
    }
  })
  strays.seen('a', ['x'])
  clock.advance(LEASE_MS)
  for (let n = 0; n < 3; n++) strays.seen('a', ['x'])
  await gate.reached
  t.strictSame(removed, ['x a'])
  gate.open()
  await setImmediate()
  t.match(messages, ['could not remove the clients of a node that is gone yet; will retry'])
  strays.seen('a', ['x'])
  await setImmediate()
  t.strictSame(removed, ['x a', 'x a'])
})
