import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Commands } from '../../../lib/engine/redis/commands.js'
import { Keys } from '../../../lib/engine/redis/keys.js'
import type { Script } from '../../../lib/engine/redis/lua.js'
import { RedisPresenceStore } from '../../../lib/engine/redis/presence.js'
import { presence as script, roster } from '../../../lib/engine/redis/presence-scripts.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { Gate } from '../../fixtures/gate.js'
import { silent } from '../../fixtures/redis-nodes.js'

const client = (id: string) => ({ client_id: id, user_id: id })

/**
 * A store whose calls are kept: of changes how they are meant and of whom, of others the name.
 *
 * @param run runs before a call is answered, with what it resolves to
 */
function storeOf (t: Test, { timeoutMs = 5_000, run = async (_call: string): Promise<unknown> => [] } = {}) {
  const calls: string[] = []
  const call = async (name: string) => {
    calls.push(name)
    return await run(name) ?? []
  }
  const commands = {
    call,
    run: async (its: Script, _keys: string[], [,, , , , , mode, ...changes]: unknown[]) =>
      call(its === script ? [mode, ...changes.flatMap((change, at) => at % 3 === 0 ? `${change}${changes[at + 1]}` : [])].join(' ') : its === roster ? 'roster' : 'enlist')
  } as unknown as Commands
  const settings = { nodeId: 'node', term: () => 0, isPeer: () => true, leases: async () => ({ nodes: [], isCertain: false }), leaseMs: 15_000, timeoutMs, ttlMs: 600_000, publishCommand: 'PUBLISH' }
  const store = new RedisPresenceStore(commands, new Keys('x', 0, false), settings, silent)
  t.teardown(() => store.close())
  const told: string[] = []
  store.onChange(({ channel, kind, user_id: user }) => told.push(`${user} ${kind} ${channel}`))
  return { store, calls, told }
}

t.test('presence is stored again long before Redis expires it', async (t) => {
  const clock = new FakeClock(t)
  const { store, calls } = storeOf(t)
  await store.add('room', client('a'))
  const { length } = calls
  clock.advance(200_000)
  await setImmediate()
  t.ok(calls.length > length)
})

t.test('a node stays listed in a channel until Redis has removed the last of its sockets', async (t) => {
  const gate = new Gate()
  const { store, calls } = storeOf(t, { run: async (call) => { if (call === 'some -first') await gate.wait() } })
  await Promise.all(['first', 'second'].map((id) => store.add('room', client(id))))
  const leaving = store.remove('room', client('first'))
  await gate.reached
  const last = store.remove('room', client('second'))
  gate.open()
  await Promise.all([leaving, last])
  t.strictSame(calls, ['enlist', 'some +first +second', 'some -first', 'some -second', 'srem'])
})

t.test('a socket that joins while its node takes itself off the list of the channel is renewed like any other', async (t) => {
  const gate = new Gate()
  const { store, calls } = storeOf(t, { run: async (call) => { if (call === 'srem') await gate.wait() } })
  await store.add('room', client('first'))
  const leaving = store.remove('room', client('first'))
  await gate.reached
  const coming = store.add('room', client('second'))
  gate.open()
  await Promise.all([leaving, coming])
  await store.restore(true)
  t.strictSame(calls.slice(-1), ['all +second'])
  await store.remove('room', client('second'))
  const { length } = calls
  await store.restore(true)
  t.equal(calls.length, length, 'a channel that was left is forgotten')
})

t.test('a socket that leaves while an earlier call times out is removed with the next renewal', async (t) => {
  const gate = new Gate()
  const timeoutMs = 400
  const { store, calls } = storeOf(t, { timeoutMs, run: async (call) => { if (call === 'some +comes') await gate.wait() } })
  await store.add('room', client('stays'))
  const coming = store.add('room', client('comes'))
  await gate.reached
  const leaving = store.remove('room', client('comes'))
  await new Promise((resolve) => setTimeout(resolve, timeoutMs + 10))
  gate.open()
  await coming
  await t.rejects(leaving, { code: 'WSM_ERR_UNAVAILABLE' })
  t.strictSame(calls, ['enlist', 'some +stays', 'some +comes'], 'it was not even asked for')
  await store.restore(false)
  t.strictSame(calls.slice(3), ['enlist', 'all +stays'])
})

t.test('presence that again could not be stored is kept for the next attempt', async (t) => {
  const state = { isAway: false }
  const { store, calls } = storeOf(t, { run: async () => { if (state.isAway) throw new Error('away') } })
  await store.add('room', client('a'))
  state.isAway = true
  await t.rejects(store.add('room', client('b')), { message: 'away' })
  await store.restore(false)
  state.isAway = false
  calls.length = 0
  await store.restore(false)
  t.strictSame(calls, ['enlist', 'all +a +b'])
})

t.test('a leaving node enters no channel any more', async (t) => {
  const gate = new Gate()
  const { store, calls } = storeOf(t, { run: () => gate.wait() })
  const coming = store.add('room', client('late'))
  await gate.reached
  store.close()
  gate.open()
  await coming
  t.strictSame(calls, ['enlist'])
})

t.test('a change that only reconciles Redis is not reported; a requested change in the same call is', async (t) => {
  const { store, told } = storeOf(t, {
    run: async (call) => call.startsWith('all') ? ['7', 'left', '"gone"', '8', 'joined', '"stays"', '9', 'joined', '"comes"', '10', 'left', '"comes"'] : []
  })
  await store.add('room', client('stays'))
  await Promise.all([store.restore(true), store.add('room', client('comes'))])
  t.strictSame(told, ['comes joined room'])
})

t.test('a change is reported once, even if its message precedes its reply and the channel is left and entered meanwhile', async (t) => {
  const gate = new Gate()
  let number = 0
  const { store, told } = storeOf(t, {
    run: async (call) => {
      if (call === 'roster') return [number, []]
      if (call !== 'some +alice') return []
      number = 1
      await gate.wait()
      return ['1', 'joined', '"alice"']
    }
  })
  await store.watch('room')
  const coming = store.add('room', client('alice'))
  await gate.reached
  store.receive({ channel: 'room', number: 1, kind: 'joined', user_id: 'alice' })
  store.unwatch('room')
  await store.watch('room')
  gate.open()
  await coming
  store.unwatch('room')
  t.strictSame(told, ['alice joined room'])
})

t.test('a change whose message has not arrived when the channel is left is reported', async (t) => {
  const { store, told } = storeOf(t, { run: async (call) => ({ roster: [0, []], 'some +alice': ['1', 'joined', '"alice"'] })[call] })
  await store.watch('room')
  await store.add('room', client('alice'))
  t.strictSame(told, [])
  store.unwatch('room')
  t.strictSame(told, ['alice joined room'])
})

t.test('a leaving node reports its own users, and not those of a dead one', async (t) => {
  const { store, told } = storeOf(t, { run: async (call) => ({ smembers: ['room'], gone: ['1', 'left', '"alice"'] })[call] })
  await store.removeNode({ nodeId: 'dead', term: 1 })
  t.strictSame(told, [])
  await store.removeNode({ nodeId: 'node', term: 1 })
  t.strictSame(told, ['alice left room'])
})

t.test('after a rollback Redis is reconciled with channels that this node has left, known to Redis or to the node alone', async (t) => {
  const { store, calls } = storeOf(t, { run: async (call) => call === 'smembers' ? ['room'] : [] })
  await store.restoreLost()
  t.strictSame(calls, ['smembers', 'enlist', 'all', 'srem'], 'one that Redis lists')
  const other = storeOf(t)
  await other.store.add('room', client('alice'))
  await other.store.remove('room', client('alice'))
  other.calls.length = 0
  await other.store.restoreLost()
  t.strictSame(other.calls, ['smembers', 'enlist', 'all', 'srem'], 'one that Redis no longer lists')
})

t.test('the presence of every watched channel is read again when changes of any may have been lost', async (t) => {
  const { store, calls } = storeOf(t, { run: async (call) => call === 'roster' ? [0, []] : [] })
  await store.watch('room')
  await store.watch('hall')
  t.strictSame(calls, ['roster', 'roster'])
  store.checkAll()
  await setImmediate()
  t.strictSame(calls, ['roster', 'roster', 'roster', 'roster'])
})
