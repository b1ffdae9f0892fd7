import type { TSchema } from '@sinclair/typebox'
import Fastify from 'fastify'
import t from 'tap'
import wsPlugin, { type WsPluginOptions } from '../lib/index.js'
import { OptionsSchema, normalizeOptions } from '../lib/options.js'
import { SECRET } from './fixtures/app.js'

/** Every option that has a default, with its default. */
const defaults: Record<string, unknown> = {
  path: '/ws',
  clientScript: true,
  'asyncapi.title': 'WebSocket API',
  'asyncapi.version': '1.0.0',
  'asyncapi.public': true,
  rejectMode: 'http',
  closeTimeoutMs: 3_000,
  'auth.timeoutMs': 5_000,
  'auth.expiryNoticeMs': 30_000,
  'auth.firstFrame': false,
  'auth.anonymous': false,
  'auth.ticketTtlMs': 30_000,
  'auth.identitySwitch': 'allow',
  'auth.revocationTtlMs': 2_592_000_000,
  'auth.requireExp': true,
  'auth.userIdClaim': ['sub', 'user_id', 'id'],
  'heartbeat.enabled': true,
  'heartbeat.intervalMs': 30_000,
  'heartbeat.timeoutMs': 10_000,
  'confirmations.timeoutMs': 300_000,
  'confirmations.onTimeout': 'cancel',
  'confirmations.retainMs': 3_600_000,
  'tasks.retainMs': 3_600_000,
  'tasks.cancelUnknown': false,
  'history.enabled': true,
  'history.size': 300,
  'history.ttlMs': 300_000,
  'history.recoverFrom': 'position',
  'history.maxBytes': 67_108_864,
  'history.maxTopics': 100_000,
  'history.maxBytesPerSender': 4_194_304,
  'history.maxTopicsPerSender': 1_000,
  'history.positionTtlMs': 86_400_000,
  channels: {},
  'ack.timeoutMs': 5_000,
  'ack.tries': 3,
  onDuplicateUser: 'allow',
  slowConsumer: 'disconnect',
  'drain.timeoutMs': 30_000,
  'drain.windowMs': 10_000,
  'compression.enabled': false,
  'compression.thresholdBytes': 1_024,
  'limits.maxConnections': 1_000,
  'limits.maxConnectionsPerUser': 10,
  'limits.maxRolesPerUser': 100,
  'limits.maxUnauthenticated': 100,
  'limits.maxUnauthenticatedPerIp': 20,
  'limits.maxAnonymous': 500,
  'limits.maxAnonymousPerIp': 100,
  'limits.maxClosing': 1_000,
  'limits.connectionsPerIpPerMinute': 600,
  'limits.messagesPerSecond': 20,
  'limits.burst': 100,
  'limits.bytesPerSecond': 262_144,
  'limits.burstBytes': 1_048_576,
  'limits.joinsPerSecond': 20,
  'limits.joinsBurst': 1_000,
  'limits.types': {},
  'limits.maxPayloadBytes': 65_536,
  'limits.maxFragments': 128,
  'limits.maxDepth': 32,
  'limits.maxChannelsPerConnection': 100,
  'limits.maxRememberedBytesPerUser': 4_194_304,
  'limits.maxRememberedBytes': 134_217_728,
  'limits.maxPendingHandlers': 100,
  'limits.maxPendingBytes': 131_072,
  'limits.maxPendingRequests': 100,
  'limits.maxQueueMessages': 10_000,
  'limits.maxQueueBytes': 1_048_576,
  'limits.maxErrorsPerMinute': 10,
  'limits.maxRateLimitedPerMinute': 1_000,
  'limits.maxPendingConfirmationsPerUser': 100,
  'limits.maxRevocations': 100_000
}
/** What an app may leave out altogether. */
const withoutDefault = ['asyncapi.description', 'contract.messages', 'contract.calls', 'contract.confirmations', 'contract.channels', 'jwt', 'engine', 'authenticate', 'verifyToken', 'origins', 'auth.cookie', 'authorize', 'authorizeSubscribe', 'authorizeSend']

/** Every option by its path, groups opened. */
function leaves (schema: TSchema, path = ''): [string, TSchema][] {
  if (schema.properties === undefined || path === 'jwt') return [[path, schema]]
  return Object.entries<TSchema>(schema.properties).flatMap(([name, property]) => leaves(property, path === '' ? name : `${path}.${name}`))
}

/** Options with one value at a path. */
function withOption (path: string, value: unknown): WsPluginOptions {
  const [group, name] = path.split('.')
  return (name === undefined ? { [path]: value } : { [group!]: { [name]: value } }) as WsPluginOptions
}

function valueAt (options: object, path: string): unknown {
  return path.split('.').reduce((value, name) => (value as Record<string, unknown>)[name], options as unknown)
}

const options = new Map(leaves(OptionsSchema))
const groups = Object.entries<TSchema>(OptionsSchema.properties).filter(([name, { properties }]) => properties !== undefined && !['jwt', 'contract'].includes(name)).map(([name]) => name)

t.test('every option has the documented default, whether its group is missing, empty or undefined', (t) => {
  t.same([...options.keys()].sort(), [...Object.keys(defaults), ...withoutDefault].sort(), 'the list is complete')
  for (const [path, value] of Object.entries(defaults)) {
    t.strictSame(valueAt(normalizeOptions({}), path), value, path)
    t.strictSame(valueAt(normalizeOptions(withOption(path, undefined)), path), value, `${path}: undefined`)
  }
  for (const group of groups) {
    for (const value of [{}, undefined]) t.strictSame(normalizeOptions({ [group]: value }), normalizeOptions({}), group)
  }
  for (const path of withoutDefault) t.equal(valueAt(normalizeOptions(withOption(path, undefined)), path), undefined, path)
  t.end()
})

t.test('an option that is set is used, and the rest of its group keeps its defaults', (t) => {
  t.strictSame(normalizeOptions({ heartbeat: { intervalMs: 1 } }).heartbeat, { enabled: true, intervalMs: 1, timeoutMs: 10_000 })
  for (const userIdClaim of ['email', ['email'], ['email', 'sub']]) {
    t.strictSame(normalizeOptions({ auth: { userIdClaim } }).auth.userIdClaim, userIdClaim, 'and nothing of the default')
  }
  const authorize = () => true
  t.equal(normalizeOptions({ authorize }).authorize, authorize)
  t.equal(normalizeOptions({ path: '/realtime/v1' }).path, '/realtime/v1')
  t.equal(normalizeOptions({ closeTimeoutMs: 2_147_483_647 }).closeTimeoutMs, 2_147_483_647, 'the longest that a timer can be')
  t.end()
})

t.test('a wrong type is refused by the name of the option', (t) => {
  // No option is a symbol.
  for (const path of options.keys()) {
    for (const value of [Symbol('wrong'), null]) {
      t.throws(() => normalizeOptions(withOption(path, value)), { code: 'WSM_ERR_INVALID_OPTION', message: `option "${path}" is not valid` }, path)
    }
  }
  for (const group of groups) {
    for (const value of [null, 5, 'text', [], true]) {
      t.throws(() => normalizeOptions({ [group]: value } as WsPluginOptions), { code: 'WSM_ERR_INVALID_OPTION', message: `option "${group}" is not valid` }, group)
    }
  }
  t.throws(() => normalizeOptions(withOption('limits.maxConnections', '1000')), { message: 'option "limits.maxConnections" is not valid: Expected integer, got "1000" (Maximum number of open sockets, per node)' })
  t.throws(() => normalizeOptions(withOption('heartbeat.enabled', 1)), { message: 'got 1' })
  t.throws(() => normalizeOptions(withOption('heartbeat.intervalMs', true)), { message: 'got true' })
  t.throws(() => normalizeOptions(withOption('path', [])), { message: 'got an array' })
  t.throws(() => normalizeOptions(withOption('history.positionTtlMs', 59_999)), { message: 'option "history.positionTtlMs" is not valid' })
  t.throws(() => normalizeOptions(withOption('authorize', 'admin')), { message: 'option "authorize" is not valid' })
  t.end()
})

t.test('a number out of range is refused by the name of the option and the bound', (t) => {
  const numbers = [...options].filter(([, { type }]) => type === 'integer')
  t.ok(numbers.length > 10)
  for (const [path, { minimum, maximum }] of numbers) {
    const bad = [minimum - 1, -1, NaN, Infinity, minimum + 0.5, ...(maximum === undefined ? [] : [maximum + 1])]
    for (const value of bad) {
      t.throws(() => normalizeOptions(withOption(path, value)), { code: 'WSM_ERR_INVALID_OPTION', message: `option "${path}" is not valid` }, `${path}: ${value}`)
    }
    for (const value of [minimum, maximum ?? 1]) t.equal(valueAt(normalizeOptions(withOption(path, value)), path), value)
  }
  for (const name of ['maxConnections', 'maxDepth']) {
    t.throws(() => normalizeOptions(withOption(`limits.${name}`, 0)), { message: `option "limits.${name}" is not valid: Expected integer to be greater or equal to 1, got 0` })
  }
  t.end()
})

t.test('a value that is not one of the choices is refused', (t) => {
  const bad: [string, unknown][] = [
    ['rejectMode', 'https'], ['confirmations.onTimeout', 'continue'], ['slowConsumer', 'wait'], ['onDuplicateUser', 'close'], ['origins', ['app.example']], ['origins', 'https://app.example'], ['auth.cookie', ''], ['path', 'ws'], ['path', '/'], ['path', '/ws/'], ['path', '/ws?a'], ['path', '/:a'], ['path', '/a/*'], ['path', '/a//b'], ['path', '/..'], ['path', '/a/./b'], ['path', '/a b'], ['path', ''],
    ['auth.userIdClaim', ''], ['auth.userIdClaim', []], ['auth.userIdClaim', ['sub', '']], ['auth.userIdClaim', [5]]
  ]
  for (const [path, value] of bad) {
    t.throws(() => normalizeOptions(withOption(path, value)), { code: 'WSM_ERR_INVALID_OPTION', message: `option "${path}` }, `${path}: ${JSON.stringify(value)}`)
  }
  t.end()
})

t.test('an unknown option is refused in every group', (t) => {
  t.throws(() => normalizeOptions({ limit: {} } as WsPluginOptions), { code: 'WSM_ERR_INVALID_OPTION', message: 'option "limit" is not valid: Unexpected property' })
  for (const group of groups) {
    t.throws(() => normalizeOptions({ [group]: { nothing: 1 } } as WsPluginOptions), { message: `option "${group}.nothing" is not valid: Unexpected property` }, group)
  }
  t.end()
})

t.test('an unknown name within jwt is refused, with the name that was probably meant', (t) => {
  const secret = SECRET
  const bad: [object, string][] = [
    [{ secret, verfy: {} }, 'jwt.verfy" is not valid: Unexpected property, did you mean "verify"?'],
    [{ secret, verify: { algorithm: ['HS256'] } }, 'jwt.verify.algorithm" is not valid: Unexpected property, did you mean "algorithms"?'],
    [{ secret, sign: { expires: '1h' } }, 'jwt.sign.expires" is not valid: Unexpected property'],
    [{ secret, decode: { compleet: true } }, 'jwt.decode.compleet" is not valid: Unexpected property, did you mean "complete"?'],
    [{ secret, cookie: { name: 'x' } }, 'jwt.cookie.name" is not valid: Unexpected property'],
    [{ secret, messages: { none: 'x' } }, 'jwt.messages.none" is not valid: Unexpected property'],
    [{ secret, verify: [] }, 'jwt.verify" is not valid: Expected object']
  ]
  for (const [jwt, says] of bad) t.throws(() => normalizeOptions({ jwt } as WsPluginOptions), { code: 'WSM_ERR_INVALID_OPTION', message: `option "${says}` }, says)
  const { extractToken, trusted } = { extractToken: () => 'x', trusted: () => true }
  t.ok(normalizeOptions({ jwt: { secret, trusted, verify: { extractToken, allowedIss: 'x', key: 'y' }, sign: { iss: 'x' }, cookie: { cookieName: 'a', signed: true } } } as WsPluginOptions))
  t.end()
})

t.test('options that are not a plain object, or unreadable, are refused by name', (t) => {
  class Choices { history = undefined }
  for (const value of [new Map(), new Date(), new Choices(), Object.create({ maxDepth: 3 })]) {
    t.throws(() => normalizeOptions(value), { code: 'WSM_ERR_INVALID_OPTION', message: 'option "options" is not valid: Expected a plain object' })
    for (const group of [...groups, 'jwt', 'channels']) t.throws(() => normalizeOptions({ [group]: value }), { message: `option "${group}" is not valid: Expected a plain object` }, group)
    t.throws(() => normalizeOptions({ channels: { 'a/b~c': value } }), { message: 'option "channels.a/b~c" is not valid: Expected a plain object' })
    t.throws(() => normalizeOptions({ limits: { types: { '*': value } } }), { message: 'option "limits.types.*" is not valid: Expected a plain object' })
  }
  const unreadable = Object.defineProperty({}, 'path', { enumerable: true, get () { throw new Error('not now') } })
  for (const value of [unreadable, { limits: unreadable }]) t.throws(() => normalizeOptions(value), { code: 'WSM_ERR_INVALID_OPTION', message: 'option "options" is not valid: It cannot be read (not now)' })
  for (const value of [null, 5, 'text', []]) t.throws(() => normalizeOptions(value as never), { code: 'WSM_ERR_INVALID_OPTION', message: 'option "options" is not valid: Expected object' })
  t.end()
})

t.test('the invalid entry of a list is named', (t) => {
  const bad: [WsPluginOptions, string][] = [
    [{ origins: ['https://app.example', 'app.example'] }, '"origins[1]" is not valid: Expected string to match'],
    [{ origins: 'https://app.example' as '*' }, '"origins" is not valid: Expected "*" or array, got "https://app.example"'],
    [{ auth: { userIdClaim: ['sub', ''] } }, '"auth.userIdClaim[1]" is not valid: Expected string length'],
    [{ channels: { 'a\nb': {} } }, '"channels.a\nb" is not valid: Unexpected property'],
    [{ rejectMode: 'https' as 'http' }, '"rejectMode" is not valid: Expected "http" or "close", got "https"'],
    [{ channels: { 'chat.*': { history: { siz: 1 } as never } } }, '"channels.chat.*.history.siz" is not valid: Unexpected property, did you mean "size"?']
  ]
  for (const [given, says] of bad) t.throws(() => normalizeOptions(given), { code: 'WSM_ERR_INVALID_OPTION', message: `option ${says}` }, says)
  t.end()
})

t.test('options that contradict each other are refused', (t) => {
  const authenticate = () => null
  const off = { enabled: false }
  const bad: [WsPluginOptions, string][] = [
    [{ authenticate, auth: { firstFrame: true } }, '"auth.firstFrame" needs verifyToken'],
    [{ channels: { 'a.*': { history: false, recover: 'latest' } } }, '"channels.a.*.recover" has no effect beside history: false'],
    [{ channels: { 'a.*': { history: false, recoverFrom: 'start' } } }, '"channels.a.*.recoverFrom" has no effect beside history: false'],
    [{ history: { ...off, recoverFrom: 'start' } }, '"history.recoverFrom" has no effect while history.enabled is false'],
    [{ history: off, channels: { '*': { recover: 'missed' } } }, '"channels.*.recover" has no effect while history.enabled is false']
  ]
  for (const [given, says] of bad) t.throws(() => normalizeOptions(given), { code: 'WSM_ERR_INVALID_OPTION', message: `option ${says}` }, says)
  const good: WsPluginOptions[] = [
    { authenticate, verifyToken: () => null, auth: { firstFrame: true } },
    { history: off, channels: { 'a.*': { history: { size: 1 } }, 'a.b': { recover: 'latest' } } },
    { history: { ...off, recoverFrom: 'start' }, channels: { 'a.*': { history: { size: 1 } } } },
    { history: { ...off, size: 5 }, channels: { 'a.*': { presence: true, history: false } } }
  ]
  for (const given of good) t.ok(normalizeOptions(given))
  t.end()
})

t.test('the caller\'s objects are not modified', (t) => {
  const jwt = Object.freeze({ secret: SECRET })
  const claims = Object.freeze(['email'])
  const given = Object.freeze({ jwt, auth: Object.freeze({ userIdClaim: claims }), limits: Object.freeze({ maxDepth: 3 }), heartbeat: Object.freeze({}) })
  const read = normalizeOptions(given as unknown as WsPluginOptions)
  t.strictSame(given, { jwt: { secret: SECRET }, auth: { userIdClaim: ['email'] }, limits: { maxDepth: 3 }, heartbeat: {} })
  t.equal(read.jwt, jwt, 'jwt is passed on as it is')
  const [first, second] = [normalizeOptions({}), normalizeOptions({})]
  ;(first.auth.userIdClaim as string[]).push('changed')
  t.strictSame(second.auth.userIdClaim, defaults['auth.userIdClaim'], 'nor are the defaults shared')
  t.strictSame(normalizeOptions({}).auth.userIdClaim, defaults['auth.userIdClaim'])
  t.end()
})

t.test('a value that may be a secret is not shown, wherever it was put by mistake', (t) => {
  const misplaced = [{ jwt: SECRET }, { secret: SECRET }, { auth: { secret: SECRET } }, { auth: SECRET }, { jwt: [SECRET] }, { jwtSecret: { key: SECRET } }]
  for (const bad of misplaced) {
    try {
      normalizeOptions(bad as unknown as WsPluginOptions)
      t.fail('it was accepted')
    } catch (error) {
      t.match(error, { code: 'WSM_ERR_INVALID_OPTION' })
      t.notOk((error as Error).message.includes(SECRET), JSON.stringify(Object.keys(bad)))
    }
  }
  t.end()
})

t.test('every option has a description, and every duration and size its unit', (t) => {
  for (const [path, { description }] of options) {
    t.type(description, 'string', path)
    if (path.endsWith('Ms')) t.match(description, /milliseconds$/, path)
    if (path.endsWith('Bytes')) t.match(description, /bytes$/, path)
  }
  t.end()
})

t.test('a bad option fails the registration', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const ready = async () => { await app.register(wsPlugin, { jwt: { secret: SECRET }, limits: { maxConnections: -1 } }) }
  await t.rejects(ready(), {
    code: 'WSM_ERR_INVALID_OPTION', message: 'fastify-ws-manager: option "limits.maxConnections"'
  })
})
