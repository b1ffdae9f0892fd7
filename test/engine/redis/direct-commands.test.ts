import t, { type Test } from 'tap'
import { Deadline } from '../../../lib/engine/redis/deadline.js'
import { tryDirectCommands } from '../../../lib/engine/redis/direct-commands.js'
import type { Link } from '../../../lib/engine/redis/link.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'

/** Tries them where a command is answered with that error. */
function trying (t: Test, isCluster: boolean, refused: string, error: Error) {
  const [client, listener] = [new FakeRedis(isCluster), new FakeRedis(isCluster)]
  for (const connection of [client, listener]) {
    t.capture(connection, 'answer', async (command: string) => { if (command === refused) throw error })
  }
  const linkOf = (connection: FakeRedis) => ({ ready: async () => connection }) as unknown as Link
  const tried = tryDirectCommands({ commands: linkOf(client), messages: linkOf(listener), channel: 'nobody', isCluster }, new Deadline(1_000))
  return { tried, calls: () => [...client.calls, ...listener.calls] }
}

const denied = new Error("NOPERM this user has no permissions to run the 'eval' command")

t.test('each direct command is tried, and a missing permission fails startup', async (t) => {
  const { tried, calls } = trying(t, false, 'none', denied)
  await tried
  t.strictSame(calls(), ['eval return 1 0', 'pubsub numsub', 'unsubscribe nobody'])
  for (const refused of ['eval', 'pubsub', 'unsubscribe']) await t.rejects(trying(t, false, refused, denied).tried, denied)
})

t.test('a cluster is tried with its own commands, and other faults are left to the calls that follow', async (t) => {
  const { tried, calls } = trying(t, true, 'eval', new Error('Connection is closed.'))
  await tried
  t.ok(calls().includes('pubsub shardnumsub'))
  await t.rejects(trying(t, true, 'sunsubscribe', denied).tried, denied)
})
