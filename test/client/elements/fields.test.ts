import { Type } from '@sinclair/typebox'
import t from 'tap'
import { z } from 'zod'
import { fieldOf, type Field } from '../../../client/elements/fields.js'

/** The fields of an object, by name. */
function fieldsOf (schema: object): Record<string, Field> {
  const field = fieldOf(JSON.parse(JSON.stringify(schema)))
  if (field.kind !== 'group') throw new Error(`a field of kind ${field.kind}`)
  return Object.fromEntries(field.fields.map((inner) => [inner.name, inner]))
}

t.test('each kind of schema gets its kind of field, with its limits', (t) => {
  const fields = fieldsOf(Type.Object({
    name: Type.String({ minLength: 1, maxLength: 20, pattern: '^a', title: 'Your name', description: 'As in your passport', default: 'anna' }),
    reason: Type.String({ maxLength: 2_000 }),
    amount: Type.Number({ minimum: 0, exclusiveMaximum: 100, multipleOf: 0.5 }),
    count: Type.Integer({ exclusiveMinimum: 0, maximum: 9 }),
    isUrgent: Type.Boolean(),
    on_hold: Type.Optional(Type.Boolean()),
    terms: Type.Literal(true),
    version: Type.Literal(2),
    action: Type.Union([Type.Literal('import', { title: 'Import it' }), Type.Literal('skip')]),
    size: Type.Unsafe({ type: 'string', enum: ['s', 'm'] }),
    days: Type.Array(Type.Union([Type.Literal('mon'), Type.Literal('tue')]), { minItems: 1, maxItems: 2, uniqueItems: true }),
    due: Type.String({ format: 'date' }),
    at: Type.String({ format: 'date-time' }),
    mail: Type.String({ format: 'email' }),
    page: Type.String({ format: 'uri' }),
    address: Type.Object({ street: Type.String() })
  }))
  t.match(fields, {
    name: { kind: 'text', input: 'text', path: '/answer/name', label: 'Your name', description: 'As in your passport', default: 'anna', isRequired: true, minLength: 1, maxLength: 20, pattern: '^a' },
    reason: { kind: 'text', input: 'long', label: 'Reason', maxLength: 2_000 },
    amount: { kind: 'number', isInteger: false, minimum: 0, below: 100, multipleOf: 0.5, maximum: null },
    count: { kind: 'number', isInteger: true, above: 0, maximum: 9 },
    isUrgent: { kind: 'boolean', label: 'Is urgent', canBeUnset: false, mustBeTrue: false },
    on_hold: { kind: 'boolean', label: 'On hold', canBeUnset: true, isRequired: false },
    terms: { kind: 'boolean', mustBeTrue: true },
    version: { kind: 'fixed', value: 2 },
    action: { kind: 'choice', choices: [{ value: 'import', label: 'Import it' }, { value: 'skip', label: 'skip' }] },
    size: { kind: 'choice', choices: [{ value: 's', label: 's' }, { value: 'm', label: 'm' }] },
    days: { kind: 'choices', choices: [{ value: 'mon' }, { value: 'tue' }], minItems: 1, maxItems: 2 },
    due: { kind: 'text', input: 'date' },
    at: { kind: 'text', input: 'date-time' },
    mail: { kind: 'text', input: 'email' },
    page: { kind: 'text', input: 'url' },
    address: { kind: 'group', fields: [{ path: '/answer/address/street', label: 'Street' }] }
  })
  t.end()
})

t.test('a schema behind a reference, "or null" or a wrapper gets its own kind of field', (t) => {
  const fields = fieldsOf({
    type: 'object',
    required: ['size', 'note', 'level'],
    properties: {
      size: { $ref: '#/$defs/a~1b', title: 'Size' },
      note: { anyOf: [{ type: 'string', maxLength: 5 }, { type: 'null' }], title: 'Note' },
      level: { type: ['integer', 'null'] },
      color: { allOf: [{ $ref: '#/$defs/color' }], description: 'Of the box' },
      shade: { anyOf: [{ const: 'dark' }, { const: 'light' }, { type: 'null' }] },
      tags: { type: 'array', items: { $ref: '#/$defs/color' } }
    },
    $defs: { 'a/b': { enum: [1, 2] }, color: { oneOf: [{ const: 'r', title: 'Red' }, { const: 'g', title: 'Green' }] } }
  })
  t.match(fields, {
    size: { kind: 'choice', label: 'Size', choices: [{ value: 1, label: '1' }, { value: 2 }] },
    note: { kind: 'text', label: 'Note', maxLength: 5, isNullable: true },
    level: { kind: 'number', isInteger: true, isNullable: true },
    color: { kind: 'choice', description: 'Of the box', choices: [{ label: 'Red' }, { label: 'Green' }] },
    shade: { kind: 'choice', isNullable: true, choices: [{ value: 'dark' }, { value: 'light' }] },
    tags: { kind: 'choices', choices: [{ value: 'r' }, { value: 'g' }] }
  })
  t.match(fieldsOf(z.toJSONSchema(z.object({ size: z.enum(['s', 'm']), note: z.string().nullable(), mail: z.email().optional() }))), {
    size: { kind: 'choice', isRequired: true }, note: { kind: 'text', isNullable: true }, mail: { kind: 'text', input: 'email', isRequired: false }
  })
  t.end()
})

t.test('a schema without a field of its own gets a field for JSON', (t) => {
  const fields = fieldsOf({
    type: 'object',
    required: ['undeclared'],
    properties: {
      anything: {},
      unknown: true,
      list: { type: 'array', items: { type: 'string' } },
      pair: { type: 'array', items: { enum: [1] }, prefixItems: [{ enum: [1] }] },
      map: { type: 'object', additionalProperties: { type: 'number' } },
      either: { anyOf: [{ type: 'string' }, { type: 'number' }] },
      both: { type: ['string', 'number'] },
      dependent: { type: 'object', properties: { a: { type: 'string' } }, if: {}, then: {} },
      lost: { $ref: '#/$defs/nowhere' },
      endless: { $ref: '#/properties/endless' },
      foreign: { $ref: 'https://example.com/schema.json' }
    }
  })
  t.strictSame(new Set(Object.values(fields).map(({ kind }) => kind)), new Set(['json']))
  t.equal(Object.keys(fields).length, 12)
  t.match(fieldOf({ type: 'object', properties: { child: { $ref: '#' } } }), { kind: 'group', fields: [{ name: 'child', kind: 'json' }] })
  t.match(fieldOf(true), { kind: 'json', path: '/answer' })
  t.match(fieldOf({ type: 'integer' }), { kind: 'number', path: '/answer', label: '' })
  t.end()
})

t.test('a schema that cannot be followed, or has itself in many places, makes a form all the same', (t) => {
  t.match(fieldOf({ type: 'object', properties: { wrong: { $ref: '#/%' } } }), { kind: 'group', fields: [{ name: 'wrong', kind: 'json' }] })
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const node = { type: 'object', properties: Object.fromEntries(names.map((name) => [name, { $ref: '#/$defs/node' }])) }
  const count = (field: Field): number => field.kind === 'group' ? field.fields.reduce((sum, inner) => sum + count(inner), 0) : 1
  t.ok(count(fieldOf({ $ref: '#/$defs/node', $defs: { node } })) < 5_000)
  t.end()
})

t.test('names of every kind have their place, also those that every object has', (t) => {
  const fields = fieldsOf(JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"},"a/b~c":{"type":"string"},"toString":{"type":"string"}}}'))
  t.strictSame(Object.values(fields).map(({ path }) => path), ['/answer/__proto__', '/answer/a~1b~0c', '/answer/toString'])
  t.match(fieldOf({ type: 'object', required: ['valueOf'], properties: {} }), { fields: [{ name: 'valueOf', kind: 'json' }] })
  t.end()
})
