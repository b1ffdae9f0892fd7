import { Type as OldType, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import Type from 'typebox'
import { compileMessage } from '../../lib/protocol/compile.js'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'
import { readSchema } from '../../lib/validation/json-schema.js'

const names = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf', '__proto__']
const envelope = { type: OldType.Optional(OldType.Literal('app.type')) }
const refuse = (reason: string) => new Error(reason)

/** As JSON holds it, so that `__proto__` is a field of its own. */
const fields = (name: string, value: unknown) => JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`)

/** The same object with a field of this name, in each kind of schema, as a part and as a message. */
function checksOf (name: string, isOptional: boolean, more = {}): Array<[kind: string, check: CompiledSchema]> {
  const kinds: Record<string, object> = {
    '@sinclair/typebox': OldType.Object({ [name]: isOptional ? OldType.Optional(OldType.Object({ a: OldType.Number() })) : OldType.Unknown() }, more),
    typebox: Type.Object({ [name]: isOptional ? Type.Optional(Type.Object({ a: Type.Number() })) : Type.Unknown() }, more),
    'JSON Schema': { type: 'object', properties: { [name]: isOptional ? { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] } : {} }, required: isOptional ? [] : [name], ...more },
    'JSON Schema, required alone': { type: 'object', ...isOptional ? { patternProperties: fields(`^${name}$`, { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] }) } : { required: [name] }, ...more }
  }
  return Object.entries(kinds).flatMap(([kind, schema]): Array<[string, CompiledSchema]> => [
    [kind, new CompiledSchema(readSchema(schema))], [`${kind}, a message`, compileMessage(refuse, 'app.type', schema, envelope).check]
  ])
}

t.test('an object has the fields of its own alone, not those that it inherits', async (t) => {
  for (const name of names) {
    for (const [kind, check] of checksOf(name, true)) {
      t.equal(check.Check({}), true, `${kind}: ${name} is optional`)
      t.equal(check.Check(fields(name, 'x')), false, `${kind}: ${name} is wrong`)
      const value = fields(name, { a: 1, more: 1 })
      t.equal(check.Check(value), true)
      t.equal(JSON.stringify(check.Clean(value)), JSON.stringify(fields(name, { a: 1 })), `${kind}: ${name} is cleaned`)
      t.strictSame(check.Clean({ more: 1 }), {})
    }
    for (const [kind, check] of checksOf(name, false)) {
      t.equal(check.Check({}), false, `${kind}: ${name} is required`)
      t.strictSame(check.Errors({}), [{ path: `/${name}`, message: 'Expected required property' }])
      t.equal(check.Check(fields(name, 'x')), true)
      t.equal(JSON.stringify(check.Clean({ more: 1, ...fields(name, 'x') })), JSON.stringify(fields(name, 'x')), `${kind}: ${name} is kept`)
    }
    for (const [kind, check] of checksOf(name, true, { additionalProperties: false })) {
      t.equal(check.Check({}), true, kind)
      t.equal(check.Check({ more: 1 }), false, kind)
    }
    const open = new CompiledSchema(OldType.Object({ [name]: OldType.Optional(OldType.Number()) }, { additionalProperties: OldType.String() }))
    t.equal(open.Check({ more: 'x' }), true)
    t.equal(open.Check({ more: 1 }), false)
  }
})

t.test('an unknown field is removed, also one of a name that each object inherits', async (t) => {
  const part = (properties: Record<string, TSchema>) => OldType.Object(properties)
  const both = new CompiledSchema(OldType.Intersect([part({ a: OldType.Number() }), part({ b: OldType.Optional(OldType.Number()) })]))
  for (const name of names) {
    t.equal(JSON.stringify(both.Clean({ a: 1, ...fields(name, { x: 1 }) })), '{"a":1}', name)
    t.equal(JSON.stringify(new CompiledSchema(part({ a: OldType.Number() })).Clean({ a: 1, ...fields(name, { x: 1 }) })), '{"a":1}', name)
  }
  const list = new CompiledSchema(OldType.Record(OldType.String(), part({ a: OldType.Number() })))
  t.equal(JSON.stringify(list.Clean(JSON.parse('{"__proto__":{"a":1,"b":1},"x":{"a":1}}'))), '{"__proto__":{"a":1},"x":{"a":1}}')
  t.equal(JSON.stringify(list.Clean(JSON.parse('{"__proto__":{"a":1},"x":{"a":1,"b":1}}'))), '{"__proto__":{"a":1},"x":{"a":1}}')
})
