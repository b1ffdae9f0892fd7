import { readFileSync, writeFileSync } from 'node:fs'
import { Kind, OptionalKind } from '@sinclair/typebox'

/** Matches an exported type that is derived from a schema, or a `Partial` of one. */
const DERIVED = /^export type (\w+) = (?:(\w+)<)?Static<typeof (\w+)>>?;$/gm

/**
 * Replaces types that are derived from schemas by interfaces, in which every field has the schema's description and default, so that
 * editors show them.
 *
 * @param files the declarations in `dist`
 */
export async function writeOptionTypes (dist, files) {
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    if (text.search(DERIVED) === -1) continue
    const module = await import(file.replace(/\.d\.ts$/, '.js'))
    writeFileSync(file, text.replace(DERIVED, (whole, name, partial, schemaName) => {
      const schema = module[schemaName]
      if (isOfOptions(name) && schema?.[Kind] !== 'Object') throw new Error(`${file}: the schema of ${name} must be an exported object schema`)
      if (schema?.[Kind] !== 'Object' || name === 'Options') return whole
      const place = { path: `Static<typeof ${schemaName}>`, isPartial: partial !== undefined, isOfOptions: isOfOptions(name), indent: '' }
      return `export interface ${name} ${fieldsOf(schema, place)}`
    }))
  }
}

/** Returns true for a type that an app writes: fields with a default may be omitted or `undefined`. */
function isOfOptions (name) {
  return /(?:Options|Limit|Rule)$/.test(name) && name !== 'Options'
}

/** @param place has the `path` of the original type, which is used where the schema does not determine the type */
function fieldsOf (schema, { path, isPartial, isOfOptions, indent }) {
  const inner = `${indent}    `
  const fields = Object.entries(schema.properties).map(([name, field]) => {
    const isOptional = isPartial || field[OptionalKind] === 'Optional' || (isOfOptions && field.default !== undefined)
    const type = typeOf(field, { path: `Exclude<${path}['${name}'], undefined>`, isPartial, isOfOptions, indent: inner })
    return `${docBlock(field, inner)}${inner}${name}${isOptional ? '?' : ''}: ${type}${isOptional && isOfOptions ? ' | undefined' : ''};`
  })
  return `{\n${fields.join('\n')}\n${indent}}`
}

function typeOf (schema, place) {
  const { path } = place
  switch (schema[Kind]) {
    case 'String': return 'string'
    case 'Integer':
    case 'Number': return 'number'
    case 'Boolean': return 'boolean'
    case 'Null': return 'null'
    case 'Unknown': return 'unknown'
    case 'Literal': return JSON.stringify(schema.const)
    case 'Array': return `Array<${typeOf(schema.items, { ...place, path: `${path}[number]` })}>`
    case 'Union': return schema.anyOf.every(isPlain) ? `(${schema.anyOf.map((member) => typeOf(member, place)).join(' | ')})` : path
    case 'Record': return `{ [name: string]: ${typeOf(Object.values(schema.patternProperties)[0], { ...place, path: `${path}[string]`, isPartial: false })} }`
    case 'Object': return isPlain(schema) && !(place.isOfOptions && hasOnlyNames(schema)) ? fieldsOf(schema, place) : path
    default: return path
  }
}

/** Returns true if the schema determines the whole type; not for functions and options of other packages. */
function isPlain (schema) {
  if (schema[Kind] === 'Object') return schema.additionalProperties !== true
  return ['String', 'Integer', 'Number', 'Boolean', 'Null', 'Literal', 'Array', 'Union'].includes(schema[Kind])
}

/** Returns true for a schema that lists fields by name only, like another package's options; their types come from the original type. */
function hasOnlyNames ({ properties }) {
  return Object.values(properties).some(isOnlyName)
}

function isOnlyName (schema) {
  if (schema[Kind] === 'Record') return isOnlyName(Object.values(schema.patternProperties)[0])
  return schema[Kind] === 'Unknown' && schema.description === undefined
}

function docBlock ({ description, default: value, [Kind]: kind }, indent) {
  if (description === undefined) return ''
  const isGroup = kind === 'Object'
  // Outside of a code span an @ begins a tag.
  const text = description.replaceAll(/@[\w-]+\/[\w-]+/g, '`$&`')
  const lines = [text, ...value === undefined || isGroup ? [] : [`@default ${literal(value)}`]]
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line.replaceAll('*/', '*\\/')}`).join('\n')}\n${indent} */\n`
}

function literal (value) {
  return JSON.stringify(value).replaceAll('"', "'").replaceAll("','", "', '")
}
