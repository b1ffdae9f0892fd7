import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Type, type TSchema } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { isCatastrophic } from '../../lib/protocol/pattern-cost.js'
import { startApp } from '../fixtures/app.js'

const catastrophic = [
  '^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '^([a-zA-Z]+)*$', '^(.*)*$', '(x+x+)+y', '^(\\w+\\s?)*$', '^(foo|fo|o)*bar$',
  '^(([a-z])+.)+[A-Z]([a-z])+$', '^(.*),(.*),(.*),(.*),x$', '^(ä+)+$', '^(?:@\\S+)+ $'
]
const honest = [
  '^[a-z]+$', '^\\d{4}-\\d\\d-\\d\\d$', '^[\\w.+-]+@[\\w-]+\\.[\\w.]+$', '^#[0-9a-f]{6}$', '^(?:red|green|blue)$', '^[A-Za-z][\\w-]{0,63}(\\.[A-Za-z_][\\w-]{0,63}){1,4}$',
  '^https?://[^\\s/]+(/\\S*)?$', '.*', '^\\w+\\w+$'
]

t.test('a pattern that takes too long on some text is found, others are not', (t) => {
  for (const source of catastrophic) t.equal(isCatastrophic(source, 1_000), true, source)
  for (const source of honest) t.equal(isCatastrophic(source, 1_000), false, source)
  t.equal(isCatastrophic('^(a+)+$', 10), false, 'it is harmless on short texts')
  t.throws(() => isCatastrophic('(', 10), SyntaxError)
  t.end()
})

t.test('a machine that is busy with something else does not make an honest pattern slow', async (t) => {
  // Each takes about a millisecond, and every few milliseconds the process stands still for longer than a pattern may take.
  const child = spawn(process.execPath, ['--input-type=module', '--eval', `
    import { isCatastrophic } from './dist/lib/protocol/pattern-cost.js'
    console.log('ready')
    const found = Array.from({ length: 60 }, (_, i) => '^[a-z]{' + i + '}$').filter((source) => isCatastrophic(source, 1000))
    console.log(JSON.stringify(found))`], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout!.on('data', (chunk) => { said += chunk })
  const ended = once(child, 'exit')
  await once(child.stdout!, 'data')
  let stops = 0
  for (; child.exitCode === null; stops++) {
    child.kill('SIGSTOP')
    await setTimeout(70)
    child.kill('SIGCONT')
    await setTimeout(3)
  }
  t.same(await ended, [0, null])
  t.equal(said, 'ready\n[]\n')
  t.ok(stops > 2, `it stood still ${stops} times`)
})

/** How often a pattern was timed from now on; `stolen` is for how many looks this process seems to have had nothing of the processor. */
function timings (t: Test, stolen = 0): () => number {
  const { cpuUsage } = process
  let looks = 0
  t.teardown(() => { process.cpuUsage = cpuUsage })
  process.cpuUsage = (before) => ++looks <= stolen ? { user: 0, system: 0 } : cpuUsage.call(process, before)
  return () => looks
}

t.test('a bad one is found however little of the processor there is', (t) => {
  const looks = timings(t, 4)
  t.equal(isCatastrophic('^(b+)+$', 1_000), true)
  t.ok(looks() > 4)
  t.end()
})

t.test('a verdict is remembered, and so many of them', (t) => {
  const looks = timings(t)
  t.equal(isCatastrophic('^(c+)+$', 1_000), true)
  const once = looks()
  t.equal(isCatastrophic('^(c+)+$', 1_000), true)
  t.equal(looks(), once)
  for (let i = 0; i < 1_000; i++) isCatastrophic(`^${i}$`, 1)
  const all = looks()
  t.equal(isCatastrophic('^(c+)+$', 1_000), true)
  t.ok(looks() > all, 'the oldest are forgotten')
  t.end()
})

t.test('a handler or a message with a pattern that is not bounded cannot be registered', async (t) => {
  const { app: { ws } } = await startApp(t)
  const bad: Array<[TSchema, RegExp]> = [
    [Type.String({ pattern: '^a+$' }), /the pattern \^a\+\$ without a maxLength of 1000/],
    [Type.String({ pattern: '^a+$', maxLength: 1_001 }), /without a maxLength/],
    [Type.RegExp(/^a+$/), /without a maxLength/],
    [Type.String({ pattern: '^(a+)+$', maxLength: 100 }), /which takes too long on texts of 100 characters/],
    [Type.RegExp(/^(a|a)*$/, { maxLength: 100 }), /which takes too long/],
    [Type.TemplateLiteral('${string}@${string}'), /template literal of any length/], // eslint-disable-line no-template-curly-in-string
    [Type.Record(Type.String({ pattern: '^(a+)+$' }), Type.Number()), /keys of the pattern/],
    [Type.Array(Type.Union([Type.Null(), Type.Object({ deep: Type.String({ pattern: 'x' }) })])), /the pattern x/]
  ]
  for (const [schema, message] of bad) {
    const fault = { code: 'WSM_ERR_INVALID_HANDLER', message }
    t.throws(() => ws.handle('test.bad', { schema: Type.Object({ value: schema }) }, () => {}), fault)
    t.throws(() => ws.handle('test.bad', { schema: Type.Object({}), reply: schema }, () => {}), fault)
    t.throws(() => ws.declare('test.bad', Type.Object({ type: Type.Literal('test.bad'), value: schema })), fault)
    const asked = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', answer: schema })
    await t.rejects(asked, { code: 'WSM_ERR_INVALID_MESSAGE', message })
  }
})

t.test('bounded ones can, and are checked', async (t) => {
  const schema = Type.Object({
    name: Type.String({ pattern: '^[a-z]+$', maxLength: 20 }),
    code: Type.Optional(Type.RegExp(/^\d+$/, { maxLength: 5 })),
    colour: Type.Optional(Type.TemplateLiteral([Type.Literal('dark-'), Type.Union([Type.Literal('red'), Type.Literal('blue')])])),
    counts: Type.Optional(Type.Record(Type.String(), Type.Number())),
    byNumber: Type.Optional(Type.Record(Type.Number(), Type.Number())),
    pattern: Type.Optional(Type.String())
  })
  const server = await startApp(t, {}, { after: ({ ws }) => ws.handle('test.good', { schema }, () => 'handled') })
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'test.good', name: 'anna', code: '12', colour: 'dark-red', counts: { a: 1 }, byNumber: { 1: 2 }, pattern: '^(a+)+$' }), { data: 'handled' })
  for (const wrong of [{ name: 'Anna' }, { name: 'a'.repeat(21) }, { name: 'a', code: 'x' }, { name: 'a', colour: 'dark-green' }]) {
    t.match(await client.request({ type: 'test.good', ...wrong }), { code: 'invalid_message' })
  }
})
