import t from 'tap'
import { engineSuite } from '../../fixtures/engine-suite.js'
import { RedisServer } from '../../fixtures/redis.js'
import { builder } from '../../fixtures/redis-nodes.js'

const server = await RedisServer.start(t)

t.test('the Redis engine fulfils the engine contract', (t) => engineSuite(t, builder(server.port)))
