import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TSchema } from '@sinclair/typebox'
import t from 'tap'
import { closeCodes, finalCloseCodes, UNAUTHORIZED } from '../../schemas/codes.js'
import { reservedFields } from '../../schemas/messages.js'
import { clientFrames } from '../../schemas/frames/client.js'
import { serverFrames } from '../../schemas/frames/server.js'
import { root } from '../fixtures/root.js'

const protocol = await readFile(join(root, 'schemas/PROTOCOL.md'), 'utf8')

/** The fields of a frame by name, those that can be missing with a `?`; of an object or a list of objects with its own. */
type Fields = Map<string, Fields | null>

/** The first table of a section: the cell of fields by frame type. A cell of types has nothing but names. */
function table (heading: string): Map<string, string> {
  const from = protocol.indexOf('\n|', protocol.indexOf(`\n## ${heading}\n`))
  const rows = protocol.slice(from, protocol.indexOf('\n\n', from)).matchAll(/^\| ((?:`\w+`(?:, )?)+) \|([^|]*)\|/gm)
  return new Map([...rows].flatMap(([, types, fields]) => [...types!.matchAll(/\w+/g)].map(([type]) => [type, fields!] as const)))
}

/** Reads a cell: `a`, `b?` and `c {d, e}` outside of brackets name fields; everything else is prose. */
function fieldsOf (cell: string): Fields {
  const named = [...cell.replaceAll(/\([^)]*\)/g, '').matchAll(/`([^`]+)`/g)].map(([, names]) => names).join(', ')
  const tokens = named.match(/\w+\??|[{}]/g) ?? []
  const read = (): Fields => {
    const fields: Fields = new Map()
    let last = ''
    for (let token = tokens.shift(); token !== undefined && token !== '}'; token = tokens.shift()) {
      if (token === '{') fields.set(last, read())
      else fields.set(last = token, null)
    }
    return fields
  }
  return read()
}

/** What a cell must say: nested fields only where the cell has some. */
function expected (schema: TSchema, told: Fields, leftOut: ReadonlySet<string>): Fields {
  const required = new Set<string>(schema.required)
  return new Map(Object.entries<TSchema>(schema.properties ?? {}).filter(([name]) => !leftOut.has(name)).map(([name, property]) => {
    const key = required.has(name) ? name : `${name}?`
    const nested = told.get(key) ?? null
    const inner = property.items ?? property.anyOf?.find((one: TSchema) => one.properties !== undefined) ?? property
    return [key, nested === null ? null : expected(inner, nested, new Set())]
  }))
}

const sorted = (fields: Fields | null): unknown => fields === null ? null : [...fields].sort(([a], [b]) => a < b ? -1 : 1).map(([name, inner]) => [name, sorted(inner)])

for (const [heading, frames, leftOut] of [
  // Every frame of a client can have an id.
  ['From the client', clientFrames, new Set(['type', 'id'])],
  // What only the server sets is said once, behind the table.
  ['From the server', serverFrames, new Set(['type', ...reservedFields])]
] as const) {
  t.test(`the table "${heading}" of PROTOCOL.md has the frames of the schemas, field by field`, async (t) => {
    const rows = table(heading)
    t.same([...rows.keys()].sort(), Object.keys(frames).sort(), 'every frame has one row')
    for (const [type, schema] of Object.entries<TSchema>(frames)) {
      const told = fieldsOf(rows.get(type)!)
      t.same(sorted(told), sorted(expected(schema, told, leftOut)), type)
    }
  })
}

t.test('PROTOCOL.md names the fields that only the server sets', async (t) => {
  const [, named] = /Fields that only the server sets, and no sender: ([\s\S]*?)\. /.exec(protocol)!
  for (const field of reservedFields) t.ok(named!.includes(`\`${field}`), field)
})

t.test('PROTOCOL.md says of each close code whether a client comes back, as the client does', (t) => {
  const section = protocol.slice(protocol.indexOf('\n## Closing\n'))
  const rows = [...section.matchAll(/^\| (\d{4}) \|[^|]*\| ([^|]*) \|$/gm)].map(([, code, answer]) => [Number(code), answer!] as const)
  t.strictSame([...new Set(rows.map(([code]) => code))].sort(), Object.values(closeCodes).sort())
  for (const [code, answer] of rows) {
    const isFinal = finalCloseCodes.includes(code)
    t.match(answer, isFinal ? /^no$/ : code === UNAUTHORIZED ? /^yes, with a new token; without one, .* signed out$/ : /^yes, (?:at|after|with) /, String(code))
  }
  t.ok(rows.some(([, answer]) => answer === 'no'))
  t.notOk(finalCloseCodes.includes(UNAUTHORIZED), 'another token may be better')
  t.end()
})
