import { Type, type TSchema } from '@sinclair/typebox'
import { RE2JS } from 're2js'
import t from 'tap'
import { faultsOf } from '../../lib/validation/faults.js'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'
import { SchemaError } from '../../lib/validation/schema-error.js'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { startApp } from '../fixtures/app.js'
import { amount, figure } from '../fixtures/attacks.js'
import { MOST_STEPS, catastrophic, randomPattern, worstText } from '../fixtures/patterns.js'
import { pendingOf } from '../fixtures/questions.js'
import { random } from '../fixtures/random.js'

const PATTERNS = amount({ short: 60, long: 5_000 })
const FRAME_BYTES = 65_536
/** What a frame may take of the processor, full of the worst texts for a bad pattern. A backtracking engine needs years. */
const MOST_MS = 300
const LENGTHS = [20, 200, 1_000]

function cpuMs (run: () => void): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

/** Wherever a pattern can be. */
function schemaOf (pattern: string, maxLength: number, place: number): { schema: TSchema, frame: (texts: string[]) => object } {
  const Text = [Type.String({ pattern, maxLength }), Type.RegExp(new RegExp(pattern), { maxLength })][place % 2]!
  switch (place % 4) {
    case 0: return { schema: Type.Object({ list: Type.Array(Text) }), frame: (list) => ({ list }) }
    case 1: return { schema: Type.Object({ list: Type.Array(Type.Union([Type.Object({ text: Text }), Type.Null()])) }), frame: (texts) => ({ list: texts.map((text) => ({ text })) }) }
    case 2: return { schema: Type.Record(Type.String(), Type.Union([Text, Type.Number()])), frame: (texts) => ({ ...texts }) }
    default: return { schema: Type.Record(Type.String({ pattern }), Type.Number()), frame: (texts) => Object.fromEntries(texts.map((text, i) => [text.slice(0, -3) + i, 1])) }
  }
}

t.test('no frame keeps the processor busy with a pattern, however bad the pattern and the text', { timeout: 1_500_000 }, (t) => {
  let longest = 0
  const { test } = RE2JS.prototype
  RE2JS.prototype.test = function (text) {
    longest = Math.max(longest, text.length)
    return test.call(this, text)
  }
  t.teardown(() => { RE2JS.prototype.test = test })
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const chance = random(seed)
  const told = { tried: 0, refused: 0, endless: 0, worstMs: 0, over: 0 }
  for (let i = 0; i < PATTERNS; i++) {
    const pattern = catastrophic[i] ?? randomPattern(chance)
    const maxLength = chance.pick(LENGTHS)
    const { text, steps } = worstText(pattern, maxLength, chance)
    if (steps === MOST_STEPS) told.endless++
    const { schema, frame } = schemaOf(pattern.source, maxLength, i)
    let check
    try {
      check = new CompiledSchema(schema)
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error
      told.refused++
      continue
    }
    // Each different, as one who wants to fill a cache would send them; and one that is too long.
    const texts = Array.from({ length: Math.floor(FRAME_BYTES / (maxLength + 3)) }, (_, n) => text.slice(n % 7))
    longest = 0
    for (const list of [texts, [text + text + 'too long']]) {
      const spent = cpuMs(() => {
        const value = frame(list)
        if (!check.Check(value)) faultsOf(check, value)
      })
      if (spent > told.worstMs) told.worstMs = spent
      if (spent > MOST_MS) t.fail(`${pattern.source} on ${JSON.stringify(text.slice(-40))} of ${maxLength}: ${spent} ms (SEED=${seed})`)
    }
    // Keys have a bound of their own; the half of a pair is read as a pair.
    const bound = (i % 4 === 3 ? 256 : maxLength) * 2
    if (longest > bound || (!/[\udc00-\udfff]/.test(text) && longest > bound / 2)) told.over++
    told.tried++
  }
  t.equal(told.over, 0, 'no text over its bound reached the engine')
  t.ok(told.endless > catastrophic.length / 2, `${told.endless} are endless for an engine that backtracks`)
  t.ok(told.refused < PATTERNS / 10, `${told.refused} refused`)
  figure(t, 'patterns', `${told.tried} schemas with random patterns, ${told.endless} of them endless for an engine that backtracks; a frame of 64 KiB of the worst texts took ${told.worstMs.toFixed(0)} ms of the processor at the most; ${told.over} texts over their maxLength reached the engine`)
  t.end()
})

t.test('frames that once blocked the process are answered at once, with and without a token', async (t) => {
  const server = await AttackedServer.start(t, { auth: { firstFrame: true }, limits: { maxErrorsPerMinute: 10_000, messagesPerSecond: 0 } })
  const alice = await server.connect('alice')
  const nobody = await server.dialNobody().opened()
  const nested = (depth: number): unknown => depth === 0 ? null : { child: nested(depth - 1), kind: 'c' }
  const frames = [
    { type: 'app.rename', name: 'a'.repeat(60) + '!' }, { type: 'app.rename', name: 'a'.repeat(19) + '!' }, { type: 'app.tree', tree: nested(14) }, { type: 'app.tree', tree: nested(15) },
    { type: 'app.tree', tree: { ...nested(28) as object, kind: 'd' } }
  ]
  await server.ask('time')
  for (const frame of frames) {
    t.match(await nobody.request(frame), { code: 'unauthorized' })
    const answer = await alice.request(frame)
    t.match(answer, answer.type === 'reply' ? { data: 'grown' } : { code: 'invalid_message' })
  }
  const { slowestTurnMs, uncaught } = await server.ask('report')
  t.same(uncaught, [])
  t.ok(slowestTurnMs < 150, `${slowestTurnMs} ms`)
  figure(t, 'patterns: known frames', `the frames of 90 and 471 bytes that took for ever and 0.9 s: ${slowestTurnMs.toFixed(1)} ms of the processor for the slowest, refused unchecked without a token`)
})

t.test('an answer of 900 KB to a question gets a small reply quickly', async (t) => {
  const server = await startApp(t)
  server.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', answer: Type.Record(Type.String(), Type.Number()) })
  const [record] = await pendingOf(server, 'alice')
  const answer = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`key-${i}`, 'x']))
  const body = { proceed: true, answer }
  const path = `/ws/confirmations/${record!.callback_id}`
  const before = process.cpuUsage()
  const refused = await server.rest('POST', path, { as: 'alice', body })
  const { user, system } = process.cpuUsage(before)
  t.match(refused, { status: 400, body: { details: { length: 10 } } })
  const size = JSON.stringify(refused.body).length
  t.ok(size < 5_000, `${size} bytes`)
  figure(t, 'patterns: answers', `${(JSON.stringify(body).length / 1024).toFixed(0)} KB of wrong answer: a reply of ${size} bytes, ${((user + system) / 1_000).toFixed(0)} ms of the processor with the client`)
})
