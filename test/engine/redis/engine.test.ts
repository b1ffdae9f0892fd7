import t from 'tap'
import { engineSuite } from '../../fixtures/engine-suite.js'
import { RedisServer } from '../../fixtures/redis.js'
import { builder } from '../../fixtures/redis-nodes.js'

const server = await RedisServer.start(t)

t.test('the Redis engine keeps the contract', (t) => engineSuite(t, builder(server.port)))
