import t from 'tap'
import type { Connection } from '../../lib/socket/connection.js'
import { Quota } from '../../lib/socket/quota.js'

const socketOf = (ip: string) => ({ ip, isOpen: true, closedByClient: () => {} }) as Connection

t.test('a socket is counted once in its network, however often it is added or deleted', (t) => {
  const quota = new Quota(10, 2)
  const [first, second, third] = Array.from({ length: 3 }, () => socketOf('192.0.2.1')) as [Connection, Connection, Connection]
  for (let n = 0; n < 2; n++) quota.add(first)
  t.equal(quota.reached('192.0.2.1'), null)
  for (const socket of [second, third]) quota.add(socket)
  for (let n = 0; n < 2; n++) quota.delete(first)
  t.equal(quota.reached('192.0.2.1'), 'network', 'two are left')
  t.equal(quota.reached('192.0.2.2'), null)
  quota.delete(second)
  t.equal(quota.reached('192.0.2.1'), null)
  t.end()
})

t.test('sockets without a network count in total only', (t) => {
  const quota = new Quota(3, 1)
  for (let n = 0; n < 2; n++) quota.add(socketOf(''))
  t.equal(quota.reached(''), null)
  quota.add(socketOf('192.0.2.1'))
  t.equal(quota.reached(''), 'all')
  t.end()
})
