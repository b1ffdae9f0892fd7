import { runInNewContext } from 'node:vm'
import { Cluster, Redis } from 'ioredis'
import t from 'tap'
import { redis } from '../../../lib/engine/redis/redis.js'
import { isSource } from '../../../lib/engine/redis/source.js'
import { ENGINE } from '../../fixtures/engine-suite.js'
import { startApp } from '../../fixtures/app.js'
import { silent } from '../../fixtures/redis-nodes.js'

/** Shaped as the clients, clusters and sentinels of the package redis, from version 4 on. */
class Commander {
  connect () {}
  duplicate () {}
  sendCommand () {}
}

/** As its clients of version 3. */
class RedisClient {
  duplicate () {}
  send_command () {}
}

class Pool {
  acquire () {}
  release () {}
}

t.test('clients of ioredis and options are told apart', async (t) => {
  for (const Client of [Redis, Cluster]) t.equal(isSource(new (Client as new (...args: unknown[]) => Redis)(Client === Cluster ? [] : { lazyConnect: true }, { lazyConnect: true })), true)
  for (const options of [{}, { host: 'h', port: 1 }, Object.assign(Object.create(null), { port: 1 }), runInNewContext('({ port: 1 })')]) t.equal(isSource(options), false)
})

t.test('values that are neither an ioredis client nor options are refused at registration, without their secrets', async (t) => {
  for (const [given, name] of [
    [undefined, 'undefined'], [null, 'null'], [6379, '6379'], ['redis://:hunter2@localhost', 'a URL'], [new URL('redis://:hunter2@localhost'), 'a URL'],
    [Redis, 'a function'], [[{ port: 6379 }], 'a list'], [Promise.resolve({}), 'a promise'],
    [new Commander(), 'node-redis'], [new RedisClient(), 'node-redis'], [{ sendCommand () {} }, 'node-redis'],
    [new Pool(), 'class Pool'], [new (class {})(), 'class without a name']
  ] as const) {
    const error: Error & { code: string } = await redis(given as never)({ ...ENGINE, log: silent }).then(() => t.fail(name), (thrown) => thrown)
    t.match(error, { code: 'WSM_ERR_INVALID_OPTION', message: new RegExp(`"engine".* ioredis .*${name}`) })
    t.notMatch(error.message, /hunter2/)
  }
})

t.test('options of the package redis, which ioredis would ignore, are refused by name', async (t) => {
  for (const options of [{ url: 'redis://:hunter2@localhost' }, { socket: { port: 6379 } }, { database: 1 }, { rootNodes: [] }]) {
    const [name] = Object.keys(options)
    await t.rejects(redis(options)({ ...ENGINE, log: silent }), { code: 'WSM_ERR_INVALID_OPTION', message: new RegExp(`"engine.${name}" is an option of the package "redis"`) })
  }
})

t.test('an app with an invalid engine client does not start', async (t) => {
  await t.rejects(startApp(t, { engine: redis(new Commander() as never) }), { code: 'WSM_ERR_INVALID_OPTION', message: /node-redis/ })
})
