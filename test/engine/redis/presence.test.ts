import t from 'tap'
import type { Commands } from '../../../lib/engine/redis/commands.js'
import { Keys } from '../../../lib/engine/redis/keys.js'
import { RedisPresenceStore } from '../../../lib/engine/redis/presence.js'
import { presence as script } from '../../../lib/engine/redis/presence-scripts.js'
import type { Script } from '../../../lib/engine/redis/lua.js'
import { Gate } from '../../fixtures/gate.js'
import { silent } from '../../fixtures/redis-nodes.js'

t.test('a node stays listed in a channel until the last of its sockets is out of it in Redis', async (t) => {
  const calls: string[] = []
  const gate = new Gate()
  const commands = {
    call: async (command: string) => { calls.push(command) },
    run: async (run: Script, _keys: string[], args: unknown[]) => {
      if (run !== script) return 1
      calls.push(args.slice(7).filter((_, at) => at % 3 < 2).join(''))
      if (args[8] === 'first' && args[7] === '-') await gate.wait()
      return 1
    }
  } as unknown as Commands
  const settings = { nodeId: 'node', term: () => 0, timeoutMs: 5_000, ttlMs: 600_000, publishCommand: 'PUBLISH' }
  const store = new RedisPresenceStore(commands, new Keys('x', 0, false), settings, silent)
  t.teardown(() => store.close())
  const [first, second] = ['first', 'second'].map((id) => ({ client_id: id, user_id: id }))
  await Promise.all([store.add('room', first!), store.add('room', second!)])
  const leaving = store.remove('room', first!)
  await gate.reached
  const last = store.remove('room', second!)
  gate.open()
  await Promise.all([leaving, last])
  t.strictSame(calls, ['+first+second', '-first', '-second', 'srem'])
})

t.test('a socket that leaves while a call before it takes too long is taken out with the next renewal', async (t) => {
  const modes: unknown[] = []
  const gate = new Gate()
  let isSlow = false
  const commands = {
    call: async () => [],
    run: async (run: Script, _keys: string[], args: unknown[]) => {
      if (run !== script) return 1
      modes.push(args[6])
      if (isSlow) await gate.wait()
      return 1
    }
  } as unknown as Commands
  const settings = { nodeId: 'node', term: () => 0, timeoutMs: 50, ttlMs: 600_000, publishCommand: 'PUBLISH' }
  const store = new RedisPresenceStore(commands, new Keys('x', 0, false), settings, silent)
  t.teardown(() => store.close())
  const [stays, comes] = ['stays', 'comes'].map((id) => ({ client_id: id, user_id: id }))
  await store.add('room', stays!)
  isSlow = true
  const coming = store.add('room', comes!)
  await gate.reached
  const leaving = store.remove('room', comes!)
  await new Promise((resolve) => setTimeout(resolve, settings.timeoutMs + 10))
  isSlow = false
  gate.open()
  await coming
  await t.rejects(leaving, { code: 'WSM_ERR_UNAVAILABLE' })
  t.strictSame(modes, ['some', 'some'], 'it was not even asked for')
  await store.restore(false)
  t.strictSame(modes, ['some', 'some', 'all'])
})

t.test('a node that leaves does not come into a channel any more', async (t) => {
  const gate = new Gate()
  let ran = 0
  const commands = {
    call: async () => [],
    run: async (run: Script) => {
      if (run === script) ran++
      else await gate.wait()
    }
  } as unknown as Commands
  const settings = { nodeId: 'node', term: () => 0, timeoutMs: 5_000, ttlMs: 600_000, publishCommand: 'PUBLISH' }
  const store = new RedisPresenceStore(commands, new Keys('x', 0, false), settings, silent)
  const coming = store.add('room', { client_id: 'late', user_id: null })
  await gate.reached
  store.close()
  gate.open()
  await coming
  t.equal(ran, 0)
})
