/** A JSON Schema that is an object. */
export type Schema = Readonly<Record<string, unknown>>

/** One of several values to choose from. */
export interface Choice { value: unknown, label: string }

interface AnyField {
  /** JSON Pointer of the value, as faults of the server name it: `/answer/amount`. */
  path: string
  name: string
  label: string
  description: string | null
  isRequired: boolean
  /** True if null stands for "nothing". */
  isNullable: boolean
  /** undefined: none. */
  default: unknown
}
export type TextInput = 'text' | 'long' | 'email' | 'url' | 'date' | 'date-time'
export interface TextField extends AnyField { kind: 'text', input: TextInput, minLength: number | null, maxLength: number | null, pattern: string | null }
export interface NumberField extends AnyField {
  kind: 'number'
  isInteger: boolean
  minimum: number | null
  maximum: number | null
  above: number | null
  below: number | null
  multipleOf: number | null
}
/** @property mustBeTrue only true is allowed, as in "I agree" @property canBeUnset neither yes nor no is chosen at first */
export interface BooleanField extends AnyField { kind: 'boolean', mustBeTrue: boolean, canBeUnset: boolean }
export interface ChoiceField extends AnyField { kind: 'choice', choices: readonly Choice[] }
export interface ChoicesField extends AnyField { kind: 'choices', choices: readonly Choice[], minItems: number, maxItems: number | null }
export interface GroupField extends AnyField { kind: 'group', fields: readonly Field[] }
/** The only value that the schema allows: nothing is shown. */
export interface FixedField extends AnyField { kind: 'fixed', value: unknown }
/** A value that no other field can take, entered as JSON. */
export interface JsonField extends AnyField { kind: 'json' }

/** A field of a form: what a part of a JSON Schema asks for. */
export type Field = TextField | NumberField | BooleanField | ChoiceField | ChoicesField | GroupField | FixedField | JsonField

/** Place of a part in the schema. */
interface Site { root: Schema, path: string, name: string, isRequired: boolean, depth: number, form: { fieldCount: number } }

const MAX_DEPTH = 8
/** A schema that has itself in several of its properties would make a field for each way through them. */
const MAX_FIELDS = 500
/** A longer text gets several lines. */
const LONG_TEXT = 200
const COMBINING = ['allOf', 'anyOf', 'oneOf', 'if', '$ref'] as const
const INPUTS: Readonly<Record<string, TextInput>> = { date: 'date', 'date-time': 'date-time', email: 'email', uri: 'url', url: 'url' }

/** Converts a JSON Schema into the fields of a form; parts that have no field of their own become a field for JSON. */
export function fieldOf (schema: unknown, path = '/answer'): Field {
  const root = isSchema(schema) ? schema : {}
  return convert(root, { root, path, name: '', isRequired: true, depth: 0, form: { fieldCount: 0 } })
}

/** The JSON Pointer of a part. */
export function pointer (path: string, name: string): string {
  return `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

function convert (given: Schema, site: Site): Field {
  const { schema, isNullable } = simplify(given, site.root)
  const { title, description } = schema
  const field: AnyField = {
    path: site.path,
    name: site.name,
    label: typeof title === 'string' && title !== '' ? title : wordsOf(site.name),
    description: typeof description === 'string' && description !== '' ? description : null,
    isRequired: site.isRequired,
    isNullable,
    default: schema.default
  }
  if ('const' in schema) return constant(schema.const, field)
  const choices = choicesOf(schema, site.root)
  if (choices !== null) return { ...field, kind: 'choice', choices }
  if (COMBINING.some((keyword) => schema[keyword] !== undefined) || site.depth > MAX_DEPTH || ++site.form.fieldCount > MAX_FIELDS) return { ...field, kind: 'json' }
  switch (schema.type) {
    case 'string': return text(schema, field)
    case 'integer':
    case 'number': return number(schema, field)
    case 'boolean': return { ...field, kind: 'boolean', mustBeTrue: false, canBeUnset: !site.isRequired && schema.default === undefined }
    case 'array': return array(schema, field, site.root)
    case 'object': return object(schema, field, site)
  }
  return { ...field, kind: 'json' }
}

function constant (value: unknown, field: AnyField): Field {
  if (value === true) return { ...field, kind: 'boolean', mustBeTrue: true, canBeUnset: false }
  if (field.isRequired) return { ...field, kind: 'fixed', value }
  return { ...field, kind: 'choice', choices: [{ value, label: labelOf(value) }] }
}

function text (schema: Schema, field: AnyField): TextField {
  const maxLength = numberOf(schema.maxLength)
  const input = INPUTS[String(schema.format)] ?? (maxLength !== null && maxLength > LONG_TEXT ? 'long' : 'text')
  return { ...field, kind: 'text', input, minLength: numberOf(schema.minLength), maxLength, pattern: typeof schema.pattern === 'string' ? schema.pattern : null }
}

function number (schema: Schema, field: AnyField): NumberField {
  return {
    ...field,
    kind: 'number',
    isInteger: schema.type === 'integer',
    minimum: numberOf(schema.minimum),
    maximum: numberOf(schema.maximum),
    above: numberOf(schema.exclusiveMinimum),
    below: numberOf(schema.exclusiveMaximum),
    multipleOf: numberOf(schema.multipleOf)
  }
}

function array (schema: Schema, field: AnyField, root: Schema): Field {
  const items = isSchema(schema.items) ? simplify(schema.items, root).schema : {}
  const choices = 'const' in items ? [choiceOf(items)] : choicesOf(items, root)
  const hasOther = schema.contains !== undefined || schema.prefixItems !== undefined
  if (choices === null || hasOther) return { ...field, kind: 'json' }
  return { ...field, kind: 'choices', choices, minItems: numberOf(schema.minItems) ?? 0, maxItems: numberOf(schema.maxItems) }
}

function object (schema: Schema, field: AnyField, { root, path, depth, form }: Site): Field {
  const properties = isSchema(schema.properties) ? schema.properties : {}
  const required = Array.isArray(schema.required) ? schema.required.filter((name) => typeof name === 'string') : []
  const names = [...new Set([...Object.keys(properties), ...required])]
  const isOpen = schema.patternProperties !== undefined || (names.length === 0 && schema.additionalProperties !== false)
  if (isOpen) return { ...field, kind: 'json' }
  const fields = names.map((name) => {
    const property = Object.hasOwn(properties, name) ? properties[name] : {}
    return convert(isSchema(property) ? property : {}, { root, path: pointer(path, name), name, isRequired: required.includes(name), depth: depth + 1, form })
  })
  return { ...field, kind: 'group', fields }
}

/** Follows references, and unwraps `allOf` of one schema and "this or null". */
function simplify (schema: Schema, root: Schema, hops = 0): { schema: Schema, isNullable: boolean } {
  if (hops > MAX_DEPTH) return { schema: { $ref: '' }, isNullable: false }
  const again = (inner: unknown, { ...outer }: Schema, isNullable: boolean) => {
    const simple = simplify({ ...isSchema(inner) ? inner : {}, ...outer }, root, hops + 1)
    return { schema: simple.schema, isNullable: isNullable || simple.isNullable }
  }
  const { $ref, ...withoutRef } = schema
  if (typeof $ref === 'string') {
    const target = targetOf($ref, root)
    return target === null ? { schema, isNullable: false } : again(target, withoutRef, false)
  }
  const { allOf, ...withoutAllOf } = schema
  if (Array.isArray(allOf) && allOf.length === 1) return again(allOf[0], withoutAllOf, false)
  for (const keyword of ['anyOf', 'oneOf'] as const) {
    const { [keyword]: members, ...others } = schema
    if (!Array.isArray(members) || !members.some(isNull)) continue
    const rest = members.filter((member) => !isNull(member))
    return rest.length === 1 ? again(rest[0], others, true) : again({ [keyword]: rest }, others, true)
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null')
    if (types.length === 1) return { schema: { ...schema, type: types[0] }, isNullable: types.length < schema.type.length }
  }
  return { schema, isNullable: false }
}

/** Decodes a percent-encoded text; returns any other text unchanged. */
function decoded (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function targetOf ($ref: string, root: Schema): Schema | null {
  if (!$ref.startsWith('#/')) return null
  let part: unknown = root
  for (const name of decoded($ref.slice(2)).split('/')) {
    const key = name.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isSchema(part) || !Object.hasOwn(part, key)) return null
    part = part[key]
  }
  return isSchema(part) ? part : null
}

/** The values of an enum or of a union of literals; null: it is neither. */
function choicesOf (schema: Schema, root: Schema): Choice[] | null {
  if (Array.isArray(schema.enum)) return schema.enum.map((value: unknown) => ({ value, label: labelOf(value) }))
  const members = schema.anyOf ?? schema.oneOf
  if (!Array.isArray(members) || members.length === 0) return null
  const literals = members.map((member) => isSchema(member) ? simplify(member, root).schema : {})
  return literals.every((member) => 'const' in member) ? literals.map(choiceOf) : null
}

function choiceOf (literal: Schema): Choice {
  return { value: literal.const, label: typeof literal.title === 'string' ? literal.title : labelOf(literal.const) }
}

function labelOf (value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `due_date` and `dueDate`, as people write it. */
function wordsOf (name: string): string {
  const words = name.replaceAll(/([a-z\d])([A-Z])/g, (_all, end: string, start: string) => `${end} ${start.toLowerCase()}`).replaceAll(/[_-]+/g, ' ').trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function isNull (schema: unknown): boolean {
  return isSchema(schema) && (schema.type === 'null' || ('const' in schema && schema.const === null))
}

function isSchema (value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function numberOf (value: unknown): number | null {
  return typeof value === 'number' ? value : null
}
