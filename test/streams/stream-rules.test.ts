import t from 'tap'
import { normalizeOptions, type WsPluginOptions } from '../../lib/options.js'
import { StreamRules } from '../../lib/streams/stream-rules.js'

type Channels = NonNullable<WsPluginOptions['channels']>

const rulesOf = (channels: Channels, history: WsPluginOptions['history'] = {}) => new StreamRules(normalizeOptions({ channels, history }))

t.test('topics without a rule are kept as the history options say', (t) => {
  const kept = { retention: { size: 300, ttlMs: 300_000 }, presence: false, latest: false, fromStart: false }
  for (const topic of ['all', 'role:editor', 'channel:room']) t.strictSame(rulesOf({}).of(topic), kept)
  for (const topic of ['user:alice', 'task:import']) t.strictSame(rulesOf({}).of(topic), { ...kept, fromStart: true }, 'a user\'s own stream is theirs from the start')
  t.strictSame(rulesOf({}, { size: 7, ttlMs: 8 }).of('all').retention, { size: 7, ttlMs: 8 })
  t.strictSame(rulesOf({}, { enabled: false }).of('all').retention, null)
  t.end()
})

t.test('a rule that only enables history, which is off, keeps it as long as the history options say', (t) => {
  const rules = rulesOf({ 'kept.*': { history: {} }, 'short.*': { history: { ttlMs: 9 } } }, { enabled: false, size: 7, ttlMs: 8 })
  t.strictSame(rules.of('channel:kept.1').retention, { size: 7, ttlMs: 8 })
  t.strictSame(rules.of('channel:short.1').retention, { size: 7, ttlMs: 9 })
  t.end()
})

t.test('a rule applies to channels whose whole name matches its pattern', (t) => {
  const cases: Array<[string, string[], string[]]> = [
    ['room', ['room'], ['room.1', 'my room', 'ROOM', '']],
    ['room.*', ['room.', 'room.1', 'room.a.b'], ['room', 'aroom.1']],
    ['*', ['', 'a', 'a\nb'], []],
    ['*.log', ['.log', 'a.log', 'a.log.log'], ['log', 'a.log1']],
    ['a*b*c', ['abc', 'a1b2c', 'abbcc', 'abcbc'], ['ac', 'acb', 'bc', 'abcd']],
    ['a*b*bc', ['abbc', 'axbxbc'], ['abc']],
    ['aa*aa', ['aaaa', 'aaxaa'], ['aaa']],
    ['a.c', ['a.c'], ['abc']]
  ]
  for (const [pattern, matching, others] of cases) {
    const rules = rulesOf({ [pattern]: { presence: true } })
    for (const name of matching) t.equal(rules.of(`channel:${name}`).presence, true, `${pattern} matches ${name}`)
    for (const name of others) t.equal(rules.of(`channel:${name}`).presence, false, `${pattern} does not match ${name}`)
    t.equal(rules.of('user:room').presence, false)
    t.equal(rules.of('all').presence, false)
  }
  t.end()
})

t.test('a channel name crafted to slow down pattern matching does not', (t) => {
  const rules = rulesOf({ [`${'a*'.repeat(99)}b`]: { presence: true } })
  const before = performance.now()
  t.equal(rules.of(`channel:${'a'.repeat(200)}`).presence, false)
  t.ok(performance.now() - before < 50)
  t.end()
})

t.test('rules of a contract come before those of the options, and lose a field only to one that sets it', (t) => {
  const rules = new StreamRules(normalizeOptions({ channels: { 'a.b': { history: { size: 1 } } } }), { 'a.b': { presence: true, history: { ttlMs: 9 } }, 'a.*': { history: { size: 5 } } })
  t.match(rules.of('channel:a.b'), { presence: true, retention: { size: 1, ttlMs: 9 } })
  t.match(rules.of('channel:a.c'), { presence: false, retention: { size: 5, ttlMs: 300_000 } })
  t.end()
})

t.test('of several matching rules the last one that sets a field wins', (t) => {
  const rules = rulesOf({
    '*': { history: { size: 5 }, presence: true, recoverFrom: 'start' },
    'a.*': { history: false },
    'a.c.*': { recover: 'latest' },
    'a.b.*': { history: { ttlMs: 9 }, presence: false, recover: 'missed', recoverFrom: 'position' }
  })
  t.strictSame(rules.of('channel:x'), { retention: { size: 5, ttlMs: 300_000 }, presence: true, latest: false, fromStart: true })
  t.strictSame(rules.of('channel:a.x'), { retention: null, presence: true, latest: false, fromStart: true })
  t.strictSame(rules.of('channel:a.c.x').latest, true)
  t.strictSame(rules.of('channel:a.b.x'), { retention: { size: 300, ttlMs: 9 }, presence: false, latest: false, fromStart: false })
  t.strictSame(rulesOf({ 'a.*': { recoverFrom: 'position' } }, { recoverFrom: 'start' }).of('channel:a.x').fromStart, false)
  t.equal(rulesOf({}, { recoverFrom: 'start' }).of('all').fromStart, true)
  t.end()
})

t.test('a bad channel rule fails the registration with its name', (t) => {
  for (const pattern of ['', 'a**b', 'x'.repeat(201)]) t.throws(() => rulesOf({ [pattern]: {} }), { code: 'WSM_ERR_INVALID_OPTION', message: '"channels" has a bad pattern' })
  for (const rule of [{ history: true }, { history: { size: 0 } }, { history: { size: 1.5 } }, { history: { more: 1 } }, { presence: 1 }, { recover: 'all' }, { recoverFrom: 'end' }, { more: 1 }, null]) {
    t.throws(() => rulesOf({ room: rule } as never), { code: 'WSM_ERR_INVALID_OPTION', message: '"channels.room' }, JSON.stringify(rule))
  }
  t.end()
})
