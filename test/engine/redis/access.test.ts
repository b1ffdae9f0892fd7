import { randomUUID } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { toWire } from '../../../lib/wire-error.js'
import type { RedisConnectionOptions } from '../../../lib/engine/redis/source.js'
import { redis } from '../../../lib/engine/redis/redis.js'
import { everything, ruleOf } from '../../fixtures/access-suite.js'
import { ENGINE, KEPT, listening, publication, type BuildEngine } from '../../fixtures/engine-suite.js'
import { selfSigned } from '../../fixtures/certificate.js'
import { keepingLog, silent } from '../../fixtures/redis-nodes.js'
import { RedisServer } from '../../fixtures/redis.js'
import { until } from '../../fixtures/until.js'

const server = await RedisServer.start(t)
const single = ruleOf('single server')

/** Options of a connection as a new user, who may do that. */
async function userWith (rules: readonly string[]) {
  const username = randomUUID()
  await server.admin.acl('SETUSER', username, 'on', '>secret', ...rules)
  return { host: '127.0.0.1', port: server.port, username, password: 'secret' }
}

const build = (options: RedisConnectionOptions, log = silent): BuildEngine => (engine) => redis(options, { commandTimeoutMs: 1_000, leaseMs: 900 })({ ...engine, log })

t.test('a Redis user with the rule of the README can do everything that the engine does', async (t) => {
  await everything(t, build(await userWith(single)))
})

t.test('a Redis user with the README\'s rule for another database can do everything that the engine does', async (t) => {
  await everything(t, build({ ...await userWith(ruleOf('database 3')), db: 3 }))
})

/** A start that fails at once, whose error names the rule and contains no secret. */
async function failing (t: Test, options: RedisConnectionOptions, names: RegExp, code = 'WSM_ERR_INVALID_OPTION'): Promise<void> {
  const from = performance.now()
  const error = await redis(options, { commandTimeoutMs: 5_000 })({ ...ENGINE, log: silent }).then(() => null, (error) => error)
  t.match(error, { code, message: names }, String(names))
  t.ok(performance.now() - from < 3_000, 'at once')
  t.notMatch(String(error), /secret/)
}

t.test('startup names each missing part of the access rule', async (t) => {
  const named: Record<string, RegExp> = {
    '~wsm:*': /may not use the keys: allow them with ~wsm:\*/,
    '&wsm:*': /may not use the channels: allow them with &wsm:\*/,
    '+@read': /may not run .*\+hget/,
    '+@write': /may not run .*\+zadd/,
    '+@scripting': /may not run evalsha: allow it with \+evalsha/,
    '+@pubsub': /may not run subscribe: allow it with \+subscribe/,
    '+info': /may not run info: allow it with \+info/,
    '+time': /may not run time: allow it with \+time/,
    '+ping': /may not run ping: allow it with \+ping/
  }
  // What takes something away is no part that can be missing.
  t.strictSame(Object.keys(named), single.filter((part) => !part.startsWith('-')))
  for (const [part, names] of Object.entries(named)) {
    const options = await userWith(single.filter((other) => other !== part))
    await failing(t, options, names)
    await failing(t, options, new RegExp(`All permissions that it needs: ${single.join(' ').replace(/[*+]/g, '\\$&')}`))
  }
  for (const command of ['publish', 'xadd', 'exists', 'eval', 'unsubscribe', 'pubsub|numsub']) {
    await failing(t, await userWith([...single, `-${command}`]), new RegExp(`may not run ${command.replace('|', '\\|')}: allow it with \\+`))
  }
  await failing(t, await userWith(['~*', '&*', '+@all', '-@dangerous']), /may not run info: allow it with \+info/)
  await failing(t, await userWith(['~*', '&wsm:cluster*', '+@all']), /may not use the channels: allow them with &wsm:\*/)
  const third = ruleOf('database 3')
  await failing(t, { ...await userWith(third.filter((part) => part !== '+select')), db: 3 }, /may not run select: allow it with \+select/)
  await failing(t, { ...await userWith(third.map((part) => part === '~wsm@3:*' ? '~wsm:*' : part)), db: 3 }, /may not use the keys: allow them with ~wsm@3:\*/)
  await failing(t, { ...await userWith(third.map((part) => part === '&wsm@3:*' ? '&wsm:*' : part)), db: 3 }, /may not use the channels: allow them with &wsm@3:\*/)
})

t.test('startup names other configuration faults', async (t) => {
  const options = await userWith(single)
  await failing(t, { ...options, password: 'other' }, /refuses this user name and password \(WRONGPASS\)/)
  await failing(t, { ...await userWith(['~*', '&*', '+@all']), db: 99 }, /has no database with this number/)
  const locked = await RedisServer.start(t, { config: ['--requirepass', 'secret'] })
  await failing(t, { host: '127.0.0.1', port: locked.port }, /requires a password, and none was given \(NOAUTH\)/)
  const { cert, key } = selfSigned()
  t.ok(cert && key)
  // Answers the greeting of TLS as no server of TLS does.
  const plain = createServer((socket) => socket.on('error', () => {}).write('-ERR Protocol error\r\n')).listen(0, '127.0.0.1')
  t.teardown(() => plain.close())
  await until(() => plain.listening)
  await failing(t, { host: '127.0.0.1', port: (plain.address() as AddressInfo).port, tls: {} }, /the TLS handshake failed \(.*wrong version number/)
})

t.test('startup waits for an unreachable server, and names the fault', async (t) => {
  const from = performance.now()
  await t.rejects(redis({ host: '127.0.0.1', port: 1 }, { commandTimeoutMs: 300 })({ ...ENGINE, log: silent }),
    { code: 'WSM_ERR_UNAVAILABLE', message: /the connection failed \(connect ECONNREFUSED 127\.0\.0\.1:1\)/ })
  t.ok(performance.now() - from > 280, 'it may be starting')
})

t.test('a permission that is taken away is logged once, and the node is degraded until it is back', async (t) => {
  const options = await userWith(single)
  const { log, messages } = keepingLog()
  const { engine } = await listening(t, build(options, log))
  await engine.publish(publication('all'), KEPT)
  await server.admin.acl('SETUSER', options.username, '-info')
  await t.rejects(engine.subscribe('channel:a'), { code: 'WSM_ERR_UNAVAILABLE', message: /^Redis is not available: it refused a command: its user may not run info: allow it with \+info$/ })
  await until(() => engine.cluster.availability.status !== 'ready')
  t.strictSame(engine.cluster.availability, { status: 'degraded', reasons: ['access_denied'] })
  const named = () => messages.filter((message) => message.startsWith('Redis is partly unavailable: its user may not run info: allow it with +info'))
  t.equal(named().length, 1)
  for (let n = 0; n < 3; n++) await t.rejects(engine.subscribe('channel:a'))
  await server.admin.acl('SETUSER', options.username, '-ping')
  await server.admin.acl('SETUSER', options.username, '+info', '+ping')
  await until(() => engine.cluster.availability.status === 'ready')
  t.equal(named().length, 1)
  t.equal(messages.filter((message) => message === 'Redis is fully available again').length, 1)
  await engine.subscribe('channel:a')
})

t.test('a node whose permissions are revoked, or whose password has changed, is unavailable with the reason access_denied', async (t) => {
  const options = await userWith(single)
  const { log, messages } = keepingLog()
  const { engine } = await listening(t, build(options, log))
  await server.admin.acl('SETUSER', options.username, '-evalsha')
  await until(() => engine.cluster.availability.status === 'unavailable')
  t.strictSame(engine.cluster.availability.reasons, ['unreachable', 'access_denied'])
  await server.admin.acl('SETUSER', options.username, '+evalsha')
  await until(() => engine.cluster.availability.status === 'ready')

  await server.admin.acl('SETUSER', options.username, 'resetpass', '>other')
  await server.admin.client('KILL', 'USER', options.username)
  await until(() => engine.cluster.availability.status === 'unavailable')
  t.strictSame(engine.cluster.availability.reasons, ['unreachable', 'access_denied'])
  t.equal(messages.filter((message) => /^Redis is unavailable: it refuses this user name and password/.test(message)).length, 1)
  await t.rejects(engine.publish(publication('all'), KEPT), { code: 'WSM_ERR_UNAVAILABLE', message: /there is no connection$/ })
  await server.admin.acl('SETUSER', options.username, '>secret')
  await until(() => engine.cluster.availability.status === 'ready')
})

t.test('a refused call names the missing command and permission, but not to its client', async (t) => {
  const options = await userWith(single)
  const { engine } = await listening(t, build(options))
  await engine.publish(publication('all'), KEPT)
  const publish = () => engine.publish(publication('all', { text: 'x'.repeat(65_536) }), KEPT)
  const text = 'its user may not run'
  for (const [missing, call, fault] of [
    ['-hset', publish, `it refused a command: ${text} hset: allow it with +hset`],
    ['-xadd', publish, `it refused a command: ${text} xadd: allow it with +xadd`],
    ['-evalsha', publish, `it refused a command: ${text} evalsha: allow it with +evalsha`],
    ['-publish', publish, `it refused a command: ${text} publish: allow it with +publish`],
    ['-subscribe', () => engine.subscribe('channel:a'), `it refused a subscription: ${text} subscribe: allow it with +subscribe`],
    ['resetchannels', publish, 'it refused a publication: its user may not use the channels'],
    ['resetkeys', publish, 'it refused a command: its user may not use the keys']
  ] as const) {
    await server.admin.acl('SETUSER', options.username, missing)
    const error: unknown = await call().then(() => null, (error) => error)
    t.match(error, { code: 'WSM_ERR_UNAVAILABLE', message: `Redis is not available: ${fault}` }, missing)
    t.match(toWire(error), { code: 'unavailable', message: /^Redis is not available: it refused a \w+$/ })
    await server.admin.acl('SETUSER', options.username, 'reset', 'on', '>secret', ...single)
  }
})

t.test('a call that fails because Redis refuses writes gives the reason', async (t) => {
  const own = await RedisServer.start(t)
  const { engine } = await listening(t, build({ host: '127.0.0.1', port: own.port }))
  const publish = () => engine.publish(publication('all', { text: 'x'.repeat(65_536) }), KEPT)
  await publish()
  for (const [option, value, normal, fault] of [['maxmemory', '1', '0', /has reached its maxmemory \(OOM\)/], ['min-replicas-to-write', '1', '0', /has too few replicas \(NOREPLICAS/]] as const) {
    await own.admin.config('SET', option, value)
    await t.rejects(publish(), { code: 'WSM_ERR_UNAVAILABLE', message: fault })
    await own.admin.config('SET', option, normal)
  }
  await publish()
})
