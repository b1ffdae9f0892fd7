import { Type, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'
import { readSchema } from '../../lib/validation/json-schema.js'
import { random } from '../fixtures/random.js'
import { randomSchema, randomValue } from '../fixtures/schemas.js'

const [num, open] = [Type.Number(), { additionalProperties: true }]
const a = Type.Object({ a: num })

t.test('unknown fields are removed at any depth; a value without any is returned unchanged', (t) => {
  const cases: Array<[string, TSchema, value: unknown, cleaned: unknown]> = [
    ['an object', a, { a: 1, x: 2 }, { a: 1 }],
    ['before, between and behind', Type.Object({ a: num, b: num }), { x: 1, a: 1, y: 2, b: 2, z: 3 }, { a: 1, b: 2 }],
    ['an open object', Type.Object({ a }, open), { a: { a: 1, x: 1 }, x: 2 }, { a: { a: 1 }, x: 2 }],
    ['others of a schema', Type.Object({ a: num }, { additionalProperties: a }), { a: 1, x: { a: 1, y: 2 } }, { a: 1, x: { a: 1 } }],
    ['others of a scalar', Type.Object({ a: num }, { additionalProperties: num }), { a: 1, x: 1 }, undefined],
    ['many', Type.Object(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, Type.Optional(num)]))), { f1: 1, x: 1, f19: 2 }, { f1: 1, f19: 2 }],
    ['many that are known', Type.Object(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, Type.Optional(num)]))), { f1: 1, f19: 2 }, undefined],
    ['nothing known', Type.Object({}), { x: 1 }, {}],
    ['two parts', Type.Object({ a, b: a }), { a: { a: 1, x: 1 }, b: { a: 1, x: 1 } }, { a: { a: 1 }, b: { a: 1 } }],
    ['optional ones', Type.Object({ a: Type.Optional(a) }), { x: 1 }, {}],
    ['items', Type.Array(a), [{ a: 1 }, { a: 2, x: 1 }, { a: 3 }], [{ a: 1 }, { a: 2 }, { a: 3 }]],
    ['items that are clean', Type.Array(a), [{ a: 1 }], undefined],
    ['scalars', Type.Array(num), [1], undefined],
    ['a tuple', Type.Tuple([num, a]), [1, { a: 1, x: 1 }], [1, { a: 1 }]],
    ['a tuple of scalars', Type.Tuple([num]), [1], undefined],
    ['no tuple', Type.Tuple([]), [], undefined],
    ['a union, by all members that match', Type.Union([Type.Object({ b: num }), a, Type.Object({ a: num, x: num })]), { a: 1, x: 1, b: '', y: 1 }, { a: 1, x: 1 }],
    ['a union, by the one that matches', Type.Union([Type.Object({ b: num }), a]), { a: 1, x: 1 }, { a: 1 }],
    ['a union with a member that keeps everything', Type.Union([a, Type.Object({ x: num }, open)]), { a: 1, x: 1, y: 1 }, undefined],
    ['a union whose other member keeps everything', Type.Union([a, Type.Object({ x: num }, open)]), { a: 1, x: '', y: 1 }, { a: 1 }],
    ['a union whose later member matches only what is clean', Type.Union([Type.Record(Type.String({ pattern: '^[ab]$' }), Type.String(), open), Type.Object({ kind: Type.String() })]), { b: {}, kind: 'ac' }, { kind: 'ac' }],
    ['a union of scalars', Type.Union([num, Type.String()]), 1, undefined],
    ['the scalar of a union', Type.Union([num, a]), 1, undefined],
    ['an intersection', Type.Intersect([a, Type.Object({ b: num })]), { a: 1, b: 2, x: 3 }, { a: 1, b: 2 }],
    ['an intersection that looks into the same field', Type.Intersect([Type.Object({ o: a, l: Type.Array(a) }), Type.Object({ o: Type.Object({ b: num }), l: Type.Array(Type.Object({ b: num })) })]),
      { o: { a: 1, b: 2, x: 3 }, l: [{ a: 1, b: 2, x: 3 }], x: 1 }, { o: { a: 1, b: 2 }, l: [{ a: 1, b: 2 }] }],
    ['an intersection of three', Type.Intersect([a, Type.Object({ b: num }), Type.Object({ a: num })]), { a: 1, b: 2, x: 3 }, { a: 1, b: 2 }],
    ['a clean intersection', Type.Intersect([a, Type.Object({ a: num, b: num })]), { a: 1, b: 2 }, undefined],
    ['an open intersection', Type.Intersect([a, Type.Object({}, open)]), { a: 1, x: 3 }, undefined],
    ['an intersection with others', Type.Intersect([a, Type.Object({ b: num })], { unevaluatedProperties: num }), { a: 1, b: 2, x: 3 }, undefined],
    ['a record', Type.Record(Type.String(), a), { any: { a: 1, x: 1 } }, { any: { a: 1 } }],
    ['keys that do not match', Type.Record(Type.String({ pattern: '^k' }), num), { k: 1, x: 1 }, { k: 1 }],
    ['keys that need not match', Type.Record(Type.String({ pattern: '^k' }), num, open), { k: 1, x: 1 }, undefined],
    ['values of other keys', Type.Record(Type.String({ pattern: '^k' }), num, { additionalProperties: a }), { k: 1, x: { a: 1, y: 1 } }, { k: 1, x: { a: 1 } }],
    ['anything', Type.Unknown(), { x: 1 }, undefined],
    ['what must not be', Type.Not(num), { x: 1 }, undefined],
    ['a definition', Type.Recursive((This) => Type.Object({ next: Type.Optional(This) })), { next: { next: { x: 1 }, x: 1 } }, { next: { next: {} } }],
    ['the scalar of a definition', Type.Module({ N: Type.Number(), O: Type.Object({ n: Type.Ref('N') }) }).Import('O'), { n: 1, x: 1 }, { n: 1 }],
    ['an open definition', Type.Recursive((This) => Type.Object({ next: Type.Optional(This) }, open)), { next: { x: 1 } }, undefined]
  ]
  for (const [name, schema, value, cleaned] of cases) {
    const check = new CompiledSchema(schema)
    const before = JSON.stringify(value)
    t.ok(check.Check(value), name)
    const result = check.Clean(value)
    t.same(result, cleaned ?? value, name)
    t.equal(result === value, cleaned === undefined, `${name}: the same`)
    t.equal(check.Clean(result), result, `${name}: once is enough`)
    t.equal(JSON.stringify(value), before, `${name}: the value itself is left alone`)
  }
  t.end()
})

t.test('a cleaned value still passes, and cleaning it again changes nothing', (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const chance = random(seed)
  let [changed, same] = [0, 0]
  for (let i = 0; i < 300; i++) {
    const schema = randomSchema(chance)
    // What must not match, or must have so many fields, may do so without the others.
    if (/"not"|"maxProperties"|"uniqueItems"/.test(JSON.stringify(schema))) continue
    const check = new CompiledSchema(schema)
    for (let j = 0; j < 20; j++) {
      const value = randomValue(chance)
      if (!check.Check(value)) continue
      const cleaned = check.Clean(value)
      if (cleaned === value) same++
      else changed++
      if (!check.Check(cleaned) || check.Clean(cleaned) !== cleaned) t.fail(`${JSON.stringify(schema)} on ${JSON.stringify(value)}: ${JSON.stringify(cleaned)} (SEED=${seed})`)
    }
  }
  t.ok(changed > 20 && same > 20, `${changed} changed, ${same} the same`)
  t.end()
})

t.test('fields of the envelope stay even if the schema does not name them', (t) => {
  const message = (schema: TSchema) => new CompiledSchema(readSchema(schema, Type.Object({ id: Type.Optional(num), type: Type.Optional(Type.String()) })))
  t.same(message(Type.Intersect([a, Type.Object({ b: num })])).Clean({ a: 1, b: 1, id: 1, type: 'x', other: 1 }), { a: 1, b: 1, id: 1, type: 'x' })
  t.same(message(Type.Unknown()).Clean({ a: 1 }), { a: 1 })
  t.end()
})
