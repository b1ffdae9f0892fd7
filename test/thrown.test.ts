import type { FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { isError, logThrown, messageOf } from '../lib/thrown.js'

const fail = () => { throw new Error('hunter2') }
const unreadable = new Proxy(new Error('x'), { get: fail, getPrototypeOf: fail })

t.test('a thrown value is logged, or its message if a serializer cannot read it', async (t) => {
  const lines: unknown[] = []
  const log = { error: (fields: { err: Error }, message: string) => { lines.push([{ ...fields, err: fields.err.message }, message]) } } as unknown as FastifyBaseLogger
  logThrown(log, 'error', new Error('one'), { type: 'x' }, 'it failed')
  logThrown(log, 'error', unreadable, { type: 'y' }, 'it failed')
  t.same(lines, [
    [{ type: 'x', err: 'one' }, 'it failed'], [{ type: 'y', err: 'an unreadable value was thrown' }, 'it failed']
  ])
})

t.test('a failing logger is ignored', async (t) => {
  let calls = 0
  const log = { warn: () => { calls++; fail() } } as unknown as FastifyBaseLogger
  t.doesNotThrow(() => logThrown(log, 'warn', 'x', {}, 'it failed'))
  t.equal(calls, 2)
})

t.test('messageOf returns the message of any thrown value', async (t) => {
  const thrown: Array<[unknown, string]> = [
    [new Error('one'), 'one'], ['text', 'text'], [null, 'null'], [undefined, 'undefined'], [7n, '7'], [Symbol('s'), 'Symbol(s)'],
    [Object.assign(new Error(), { message: 5 }), '5']
  ]
  for (const [value, message] of thrown) t.equal(messageOf(value), message)
  for (const value of [unreadable, Object.create(null), { toString: fail }]) t.equal(messageOf(value), 'an unreadable value was thrown')
})

t.test('isError recognizes errors of a class', async (t) => {
  t.same([isError(new TypeError()), isError('text'), isError(unreadable)], [true, false, false])
  t.same([isError(new RangeError(), RangeError), isError(new TypeError(), RangeError)], [true, false])
})
