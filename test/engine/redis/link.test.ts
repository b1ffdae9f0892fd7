import t from 'tap'
import { Deadline } from '../../../lib/engine/redis/deadline.js'
import { Link } from '../../../lib/engine/redis/link.js'
import { FakeRedis } from '../../fixtures/fake-redis.js'
import { Gate } from '../../fixtures/gate.js'
import { silent } from '../../fixtures/redis-nodes.js'

t.test('a link that is closed while its connection is prepared does not come up', async (t) => {
  const client = new FakeRedis()
  const gate = new Gate()
  const heard: string[] = []
  const link = new Link(client.factory(), 5_000, silent, {
    onConnect: () => gate.wait(),
    onUp: () => { heard.push('up') },
    onDown: () => { heard.push('down') }
  })
  link.open()
  await gate.reached
  const ready = t.rejects(link.ready(new Deadline(5_000)), { code: 'WSM_ERR_UNAVAILABLE', message: /closed/ })
  link.close()
  gate.open()
  await ready
  await new Promise(setImmediate)
  t.strictSame([heard, link.isUp, client.isDisconnected], [[], false, true])
})
