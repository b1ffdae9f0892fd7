import t from 'tap'
import { listenOptionsFromEnv, optionsFromEnv } from '../lib/index.js'
import { normalizeOptions } from '../lib/options.js'

t.test('every variable sets its option, and seconds become milliseconds', (t) => {
  t.strictSame(optionsFromEnv({}, {
    WEBSOCKET_HOST: '0.0.0.0',
    WEBSOCKET_PORT: '8765',
    WEBSOCKET_MAX_CONNECTIONS: '2000',
    WEBSOCKET_PING_INTERVAL: '30',
    WEBSOCKET_PING_TIMEOUT: '2.5',
    WEBSOCKET_CALLBACK_TIMEOUT: '0.001'
  }), {
    limits: { maxConnections: 2_000 },
    heartbeat: { intervalMs: 30_000, timeoutMs: 2_500 },
    confirmations: { timeoutMs: 1 }
  })
  t.end()
})

t.test('unset variables are left out', (t) => {
  t.strictSame(optionsFromEnv({}, {}), {})
  t.strictSame(optionsFromEnv({}, { PATH: '/bin', WEBSOCKET_PORT: '1' }), {})
  t.strictSame(optionsFromEnv({}, { WEBSOCKET_PING_TIMEOUT: '5', WEBSOCKET_PING_INTERVAL: undefined }), { heartbeat: { timeoutMs: 5_000 } })
  t.strictSame(listenOptionsFromEnv({}, {}), {})
  t.end()
})

t.test('the listen address is read separately from the plugin\'s options', (t) => {
  t.strictSame(listenOptionsFromEnv({}, { WEBSOCKET_HOST: '127.0.0.1', WEBSOCKET_PORT: '0' }), { host: '127.0.0.1', port: 0 })
  t.strictSame(listenOptionsFromEnv({}, { WEBSOCKET_PORT: '65535', WEBSOCKET_MAX_CONNECTIONS: '5' }), { port: 65_535 })
  t.strictSame(listenOptionsFromEnv({}, { WEBSOCKET_HOST: '::1' }), { host: '::1' })
  t.end()
})

t.test('a bad value is refused by the name of its variable', (t) => {
  const bad: Record<string, string[]> = {
    WEBSOCKET_HOST: [''],
    WEBSOCKET_PORT: ['-1', '65536', '80.5', 'http', ''],
    WEBSOCKET_MAX_CONNECTIONS: ['0', '-5', '1.5', 'many', '', '10000001'],
    WEBSOCKET_PING_INTERVAL: ['0', '-1', '30s', '', 'NaN', 'Infinity', '0.0001', '2147484'],
    WEBSOCKET_PING_TIMEOUT: ['0', '-1', '10s', '', 'NaN', 'Infinity', '0.0001', '2147484'],
    WEBSOCKET_CALLBACK_TIMEOUT: ['0', '-1', '5m', '', 'NaN', 'Infinity', '0.0001', '2147484']
  }
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      for (const read of [optionsFromEnv, listenOptionsFromEnv]) {
        t.throws(() => read({}, { [name]: value }), { message: new RegExp(name) }, `${name}=${value}`)
      }
    }
  }
  t.end()
})

t.test('every value allowed for a variable is accepted by the plugin', (t) => {
  for (const seconds of ['0.001', '2147483']) {
    const env = { WEBSOCKET_PING_INTERVAL: seconds, WEBSOCKET_PING_TIMEOUT: seconds, WEBSOCKET_CALLBACK_TIMEOUT: seconds }
    t.doesNotThrow(() => normalizeOptions(optionsFromEnv({}, env)), seconds)
  }
  for (const count of ['1', '10000000']) t.doesNotThrow(() => normalizeOptions(optionsFromEnv({}, { WEBSOCKET_MAX_CONNECTIONS: count })), count)
  t.end()
})

t.test('options of the app and the environment are merged, and the environment wins', (t) => {
  const options = { path: '/rt', limits: { burst: 7, maxConnections: 5 }, heartbeat: { intervalMs: 1, timeoutMs: 2 }, auth: { anonymous: true } }
  const given = structuredClone(options)
  t.strictSame(optionsFromEnv(options, { WEBSOCKET_MAX_CONNECTIONS: '2000', WEBSOCKET_PING_TIMEOUT: '3', WEBSOCKET_CALLBACK_TIMEOUT: '4' }), {
    path: '/rt', limits: { burst: 7, maxConnections: 2_000 }, heartbeat: { intervalMs: 1, timeoutMs: 3_000 }, auth: { anonymous: true }, confirmations: { timeoutMs: 4_000 }
  })
  t.strictSame(optionsFromEnv(options, {}), given)
  t.strictSame(options, given, 'what is given is left as it is')
  t.strictSame(listenOptionsFromEnv({ port: 1, backlog: 5 }, { WEBSOCKET_PORT: '2' }), { port: 2, backlog: 5 })
  t.end()
})

t.test('a group that is not an object is still refused by name', (t) => {
  for (const limits of [null, 5, 'many']) {
    const merged = optionsFromEnv({ limits: limits as never }, { WEBSOCKET_MAX_CONNECTIONS: '2000' })
    t.throws(() => normalizeOptions(merged), { code: 'WSM_ERR_INVALID_OPTION', message: /"limits"/ }, String(limits))
  }
  t.end()
})

t.test('the environment of the process is read by default, and not modified', (t) => {
  t.intercept(process, 'env', { value: Object.freeze({ WEBSOCKET_MAX_CONNECTIONS: '7', WEBSOCKET_PORT: '9000' }) })
  t.strictSame(optionsFromEnv(), { limits: { maxConnections: 7 } })
  t.strictSame(listenOptionsFromEnv(), { port: 9_000 })
  t.end()
})

t.test('options that are not a plain object are refused, since their fields would be left out', (t) => {
  for (const options of [null, 'x', 1, [], () => {}, new Map([['limits', {}]]), new Date()]) {
    const refusal = { code: 'WSM_ERR_INVALID_ARGUMENT', message: /options: Expected a plain object/ }
    t.throws(() => optionsFromEnv(options as never, {}), refusal, String(options))
    t.throws(() => listenOptionsFromEnv(options as never, {}), refusal, String(options))
  }
  t.strictSame(optionsFromEnv(Object.assign(Object.create(null), { prefix: '/live' }), {}), { prefix: '/live' })
  t.end()
})
