import { Type } from '@sinclair/typebox'
import t from 'tap'
import { fieldOf } from '../../../client/elements/fields.js'
import { readEntry, type Entry } from '../../../client/elements/values.js'
import { CompiledSchema } from '../../../lib/validation/compiled-schema.js'
import { fromJsonSchema } from '../../../lib/validation/from-json-schema.js'
import { instantOf, localOf } from '../../../client/elements/zoned-time.js'

const read = (schema: object, entry: Entry, timeZone = 'UTC') => readEntry(fieldOf(JSON.parse(JSON.stringify(schema))), entry, timeZone)
const value = (schema: object, entry: Entry, timeZone?: string) => read(schema, entry, timeZone).value
const LIMITS = /^(min|max|exclusive|pattern|multipleOf|required|const$)/
const withoutLimits = (schema: object): object => 'const' in schema ? { type: 'boolean' } : JSON.parse(JSON.stringify(schema, (name, part) => LIMITS.test(name) ? undefined : part))
const reasons = (schema: object, entry: Entry) => read(schema, entry).faults.map(({ path, reason, limit }) => [path, reason, limit].filter((part) => part !== undefined).join(' '))

t.test('entered values become JSON of the right type', (t) => {
  t.equal(value(Type.String(), 'text'), 'text')
  t.equal(value(Type.Number(), '1.5'), 1.5)
  t.equal(value(Type.Number({ multipleOf: 0.1 }), '0.3'), 0.3)
  t.equal(value(Type.Boolean(), false), false)
  t.equal(value({ enum: ['a', 2] }, 1), 2)
  t.strictSame(value(Type.Array(Type.Union([Type.Literal('a'), Type.Literal('b')])), [1]), ['b'])
  t.equal(value(Type.String({ format: 'date' }), '2026-11-30'), '2026-11-30')
  t.equal(value(Type.String({ format: 'date-time' }), '2026-11-30T14:05', 'Europe/Berlin'), '2026-11-30T13:05:00.000Z')
  t.strictSame(value({}, '{"a": [1]}'), { a: [1] })
  t.end()
})

t.test('an empty field is left out if optional, null if required and nullable, and otherwise a fault', (t) => {
  const schema = { type: 'object', required: ['name', 'note', 'free'], properties: { name: { type: 'string' }, note: { type: ['string', 'null'] }, free: { type: 'string', minLength: 0 }, age: { type: 'integer' }, urgent: { type: 'boolean' } } }
  t.strictSame(read(schema, { name: '', note: '', free: '', age: '', urgent: '' }), { value: { note: null, free: '' }, faults: [{ path: '/answer/name', reason: 'required' }] })
  t.strictSame(value(schema, { name: 'a', note: 'b', free: 'c', age: '7', urgent: 'false' }), { name: 'a', note: 'b', free: 'c', age: 7, urgent: false })
  t.end()
})

t.test('a group that need not be there is left out as a whole, and asks for all of itself once something is entered', (t) => {
  const schema = { type: 'object', properties: { address: { type: 'object', required: ['street', 'kind', 'main'], properties: { street: { type: 'string' }, kind: { const: 'home' }, main: { type: 'boolean' }, town: { type: 'string' } } } } }
  t.strictSame(read(schema, { address: { street: '', main: false, town: '' } }), { value: {}, faults: [] })
  t.strictSame(reasons(schema, { address: { street: '', main: false, town: 'Ulm' } }), ['/answer/address/street required'])
  t.strictSame(value(schema, { address: { street: 'Weg 1', main: true, town: '' } }), { address: { street: 'Weg 1', kind: 'home', main: true } })
  t.end()
})

t.test('a group and a list that may be null are null when nothing is entered', (t) => {
  const schema = { type: 'object', required: ['address', 'days'], properties: { address: { anyOf: [{ type: 'object', required: ['town'], properties: { town: { type: 'string' } } }, { type: 'null' }] }, days: { type: ['array', 'null'], items: { enum: ['mon'] }, minItems: 1 } } }
  t.strictSame(read(schema, { address: { town: '' }, days: [] }), { value: { address: null, days: null }, faults: [] })
  t.strictSame(value(schema, { address: { town: 'Ulm' }, days: [0] }), { address: { town: 'Ulm' }, days: ['mon'] })
  t.end()
})

t.test('each limit has its fault', (t) => {
  t.strictSame(reasons(Type.String({ minLength: 3 }), 'ab'), ['/answer tooShort 3'])
  t.strictSame(reasons(Type.String({ maxLength: 1 }), 'ab'), ['/answer tooLong 1'])
  t.strictSame(reasons(Type.String({ pattern: '^a+$' }), 'b'), ['/answer pattern'])
  t.strictSame(reasons(Type.String({ pattern: '(?i)^a+$' }), 'b'), [], 'a pattern that the browser cannot read is left to the server')
  t.strictSame(reasons(Type.Number(), null), ['/answer notANumber'])
  t.strictSame(reasons(Type.Number(), '1e999'), ['/answer notANumber'])
  t.strictSame(reasons(Type.Integer(), '1.5'), ['/answer notAnInteger'])
  t.strictSame(reasons(Type.Number({ minimum: 1 }), '0'), ['/answer tooSmall 1'])
  t.strictSame(reasons(Type.Number({ maximum: 1 }), '2'), ['/answer tooLarge 1'])
  t.strictSame(reasons(Type.Number({ exclusiveMinimum: 1 }), '1'), ['/answer notAbove 1'])
  t.strictSame(reasons(Type.Number({ exclusiveMaximum: 1 }), '1'), ['/answer notBelow 1'])
  t.strictSame(reasons(Type.Number({ multipleOf: 0.1 }), '0.35'), ['/answer notAMultiple 0.1'])
  t.strictSame(reasons({ type: 'array', items: { enum: [1, 2, 3] }, minItems: 2, maxItems: 2 }, [0]), ['/answer tooFew 2'])
  t.strictSame(reasons({ type: 'array', items: { enum: [1, 2, 3] }, minItems: 2, maxItems: 2 }, [0, 1, 2]), ['/answer tooMany 2'])
  t.strictSame(reasons(Type.Literal(true), false), ['/answer mustAgree'])
  t.strictSame(reasons({ enum: ['a', 'b'] }, ''), ['/answer notChosen'])
  t.strictSame(reasons(Type.String({ format: 'date' }), null), ['/answer notADate'])
  t.strictSame(reasons(Type.String({ format: 'date-time' }), 'soon'), ['/answer notADate'])
  t.strictSame(reasons({}, '{'), ['/answer notJson'])
  t.end()
})

t.test('the page and the server agree on what is valid', (t) => {
  const cases: [schema: object, entries: Entry[]][] = [
    [{ type: 'string', minLength: 1, maxLength: 3 }, ['a', 'abc', 'abcd', '😀', '😀😀']],
    [{ type: 'string', pattern: '^[a-c]{2}$', maxLength: 9 }, ['ab', 'abc', 'xab']],
    [{ type: 'string', pattern: 'b', maxLength: 9 }, ['abc', 'ac']],
    [{ type: 'number', minimum: -1, maximum: 1.5 }, ['-1', '-1.1', '1.5', '1.6', '1e-9']],
    [{ type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, ['0', '0.001', '1', '0.999']],
    [{ type: 'integer', multipleOf: 5 }, ['10', '11', '-5', '0']],
    [{ type: 'string', format: 'date' }, ['2026-02-28']],
    [{ type: 'string', format: 'date-time' }, ['2026-02-28T23:59']],
    [{ enum: ['a', 1, false, null] }, [0, 1, 2, 3]],
    [{ type: 'array', items: { enum: ['a', 'b', 'c'] }, minItems: 1, maxItems: 2, uniqueItems: true }, [[], [0], [0, 2], [0, 1, 2]]],
    [{ const: true }, [true, false]],
    [{ type: 'object', required: ['a'], properties: { a: { type: 'string' }, b: { type: 'integer' } }, additionalProperties: false }, [{ a: 'x', b: '' }, { a: 'x', b: '1' }, { a: '', b: '1' }]]
  ]
  for (const [schema, entries] of cases) {
    const server = new CompiledSchema(fromJsonSchema(schema))
    for (const entry of entries) {
      // What the page refuses is given to the server without the limits.
      const { value: checked, faults } = read(schema, entry)
      const { value: given } = faults.length === 0 ? { value: checked } : read(withoutLimits(schema), entry)
      t.equal(server.Check(given), faults.length === 0, `${JSON.stringify(entry)} as ${JSON.stringify(schema)}`)
    }
  }
  t.end()
})

t.test('a date and time is on the clocks of its time zone, also around their changes', (t) => {
  t.equal(instantOf('2026-03-29T01:59', 'Europe/Berlin'), '2026-03-29T00:59:00.000Z')
  t.equal(instantOf('2026-03-29T03:00', 'Europe/Berlin'), '2026-03-29T01:00:00.000Z')
  t.equal(instantOf('2026-10-25T03:00', 'Europe/Berlin'), '2026-10-25T02:00:00.000Z')
  t.equal(instantOf('2026-11-01T00:30', 'America/New_York'), '2026-11-01T04:30:00.000Z')
  t.equal(instantOf('2026-07-01T12:00', 'Asia/Kathmandu'), '2026-07-01T06:15:00.000Z')
  for (const zone of ['UTC', 'Pacific/Apia', 'America/St_Johns']) t.equal(localOf(instantOf('2026-05-05T23:45', zone), zone), '2026-05-05T23:45')
  t.equal(localOf('2026-11-30T13:05:42.9Z', 'Europe/Berlin'), '2026-11-30T14:05')
  t.equal(localOf('never', 'UTC'), '')
  t.equal(localOf(undefined, 'UTC'), '')
  t.end()
})
