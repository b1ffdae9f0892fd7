import t from 'tap'
import { createClient } from '../../client/index.js'
import { tabs } from '../../client/tabs/index.js'
import { startApp } from '../fixtures/app.js'

t.test('outside of browsers each client has its own socket, also where Node.js has Web Locks', async (t) => {
  const server = await startApp(t)
  const had = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { locks: { request: () => t.fail('a lock is asked for') } } })
  t.teardown(() => had === undefined ? Reflect.deleteProperty(globalThis, 'navigator') : Object.defineProperty(globalThis, 'navigator', had))
  const clients = [1, 2].map(() => createClient({ url: `${server.origin}/ws`, getToken: () => server.token('alice'), tabs: tabs() }))
  await Promise.all(clients.map((client) => client.ready()))
  t.equal(server.app.ws.getConnectionCount(), 2)
  for (const client of clients) client.close()
})
