import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TSchema } from '@sinclair/typebox'
import t from 'tap'
import { OptionsSchema } from '../../lib/options.js'
import { closeFrameFor } from '../../lib/sessions/close-frame.js'
import { Counters } from '../../lib/telemetry/counters.js'
import type { Limit } from '../../lib/telemetry/limit.js'
import { createLimits, type Limits } from '../../lib/telemetry/limits.js'
import { toWire } from '../../lib/wire-error.js'
import { NodeStatus, Rejected } from '../../schemas/records.js'
import { root } from '../fixtures/root.js'

/** What the errors of a limit are made of, where they take more than a number. */
const argsOf: { readonly [name in keyof Limits]?: unknown[][] } = {
  messages: [[10, 'frame'], [10, 'call']],
  bytes: [[10, 'frame'], [10, 'call']],
  type_messages: [['chat.message', 10]],
  pending_requests: [[10, 'on this connection']],
  origin: [['This origin may not connect']],
  tickets: [['user'], ['node']],
  remembered_calls: [['user'], ['node']],
  roles: [[3, 2]]
}

const entries = (): [keyof Limits, Limit][] => Object.entries(createLimits()) as unknown as [keyof Limits, Limit][]

t.test('every limit has the name and the description of a field of the status, and is among the counters of the node', (t) => {
  const { slow_disconnects: slow, messages_dropped: dropped } = NodeStatus.properties
  const fields = { ...Rejected.properties, slow_disconnects: slow, messages_dropped: dropped }
  const counters = new Counters()
  t.same(counters.all().map(({ name }) => name).sort(), Object.keys(fields).sort())
  for (const { name, description } of counters.all()) {
    t.match(name, /^[a-z]+(_[a-z]+)*$/)
    t.equal(description, fields[name as keyof typeof fields].description, name)
  }
  t.end()
})

t.test('every option that bounds a limit exists, and descriptions of limits name no other option', (t) => {
  const has = (path: string) => path.split('.').reduce<TSchema | undefined>((schema, name) => schema?.properties?.[name], OptionsSchema) !== undefined
  for (const [name, { declaration: { options }, description }] of entries()) {
    for (const option of options) t.ok(has(option), `${name}: ${option}`)
    for (const [option] of description.matchAll(/\b(?:limits|auth|history)\.\w+/g)) t.ok(options.includes(option), `${name}: ${option}`)
  }
  t.end()
})

t.test('every error of a limit counts once, has a declared code, and closes with the declared close code', (t) => {
  for (const [name, limit] of entries()) {
    const { errors = [], error, closeCode } = limit.declaration
    if (error === undefined) continue
    const calls = argsOf[name] ?? [[10]]
    const refuse = limit.refuse.bind(limit) as unknown as (...args: unknown[]) => Error
    const refusals = calls.map((args) => refuse(...args))
    t.equal(limit.value, calls.length, name)
    t.same(new Set(refusals.map((refusal) => toWire(refusal).code)), new Set(errors), name)
    if (closeCode !== undefined) for (const refusal of refusals) t.equal(closeFrameFor(refusal).code, closeCode, name)
  }
  t.end()
})

t.test('a call that came too fast is told in whole seconds when to come again', (t) => {
  for (const name of ['messages', 'bytes'] as const) t.equal(toWire(createLimits()[name].refuse(1_500, 'call')).retryAfterS, 2, name)
  t.end()
})

t.test('a limit that closes sockets counts each and closes it with its code and reason', (t) => {
  const limits = createLimits()
  const closed: unknown[] = []
  limits.errors.close({ close: (code, reason) => closed.push([code, reason]) })
  t.strictSame([closed, limits.errors.value], [[[1008, 'Too many errors within a minute']], 1])
  t.end()
})

t.test('the error that another node has counted is the same, and is not counted again', (t) => {
  const { channels } = createLimits()
  const relayed = channels.relay(3)
  t.equal(channels.value, 0)
  t.match(channels.refuse(3), { code: relayed.code, message: relayed.message })
  t.end()
})

t.test('the table of limits in SECURITY.md says of every limit its options, its errors and its close code', async (t) => {
  const security = await readFile(join(root, 'SECURITY.md'), 'utf8')
  const rows = [...security.matchAll(/^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$/gm)].map(([, bound, answer, counted]) => ({ bound: bound!, answer: answer!, counted: namesIn(counted!) }))
  for (const [name, { declaration: { options, errors = [], error, closeCode } }] of entries()) {
    const row = rows.find(({ counted }) => counted.includes(name))
    if (row === undefined) {
      t.fail(`${name} is in the table`)
      continue
    }
    for (const option of options) t.ok(namesIn(row.bound).includes(option), `${name}: ${option}`)
    const statuses = [...row.answer.matchAll(/\b[45]\d\d\b/g)].map(([status]) => status)
    const refusals = error === undefined ? [] : (argsOf[name] ?? [[10]]).map((args) => toWire((error as unknown as (...args: unknown[]) => Error)(...args)))
    for (const code of errors) t.ok(namesIn(row.answer).includes(code) || refusals.some((refusal) => refusal.code === code && statuses.includes(String(refusal.statusCode))), `${name}: ${code}`)
    if (closeCode !== undefined) t.match(row.answer, String(closeCode), name)
    for (const code of namesIn(row.answer).filter((code) => code.includes('_'))) t.ok((errors as readonly string[]).includes(code), `${name}: ${code}`)
    for (const [code] of row.answer.matchAll(/\b(?:1|4)\d{3}\b/g)) t.equal(Number(code), closeCode, `${name}: ${code}`)
  }
})

/** The words in backticks. */
function namesIn (cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
}
