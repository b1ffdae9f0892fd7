import { Kind, type TObject, type TSchema } from '@sinclair/typebox'
import { CompiledSchema } from '../validation/compiled-schema.js'
import { membersOf, ownSchema, placeOf, type OwnSchema } from '../validation/converted.js'
import { SchemaError } from '../validation/schema-error.js'

/** Kinds of schema that no message can match, since messages are objects. */
const NO_MESSAGES: ReadonlySet<string> = new Set([
  'Array', 'BigInt', 'Boolean', 'Contains', 'Date', 'Integer', 'Literal', 'Never', 'Null', 'Number', 'Prefixed', 'RegExp', 'String', 'TemplateLiteral', 'Tuple', 'Undefined'
])
/** Keywords with schemas of the same value. Each alternative must be a message, too: one that none can match is a mistake. */
const APPLICATORS = ['anyOf', 'allOf', 'oneOf'] as const

/** Schemas that a reference can name. */
type Definitions = Readonly<Record<string, TSchema>>

/**
 * Refuses a schema that no message of a type can match, or that has an alternative that none can.
 *
 * @param schema one that compiles
 * @throws SchemaError
 */
export function assertMessage (type: string, schema: TSchema): void {
  const fault = new MessageSearch(type).faultIn(schema, {}, '')
  if (fault !== null) throw fault
}

class MessageSearch {
  readonly #type: string
  /** Targets of references, which can be recursive. */
  readonly #seen = new Set<TSchema>()

  constructor (type: string) {
    this.#type = type
  }

  faultIn (schema: TSchema, outer: Definitions, path: string): SchemaError | null {
    const place = placeOf(schema) ?? path
    if (NO_MESSAGES.has(schema[Kind])) return new SchemaError('must describe an object, since every message is one', place)
    const definitions = { ...outer, ...schema.$defs as Definitions | undefined, ...schema.$id !== undefined && { [schema.$id]: schema } }
    for (const member of membersOf(schema)) {
      const fault = this.faultIn(member, definitions, place)
      if (fault !== null) return fault
    }
    for (const keyword of APPLICATORS) {
      for (const [index, member] of (schema[keyword] as TSchema[] | undefined ?? []).entries()) {
        const fault = this.faultIn(member, definitions, `${place}/${keyword}/${index}`)
        if (fault !== null) return fault
      }
    }
    return this.#faultOfReference(schema, definitions, place) ?? this.#faultOfCondition(schema as unknown as OwnSchema, definitions, place) ?? this.#faultOfType(schema, definitions, place)
  }

  #faultOfReference ({ $ref }: TSchema, definitions: Definitions, place: string): SchemaError | null {
    const target = $ref === undefined ? undefined : definitions[$ref as string]
    if (target === undefined || this.#seen.has(target)) return null
    this.#seen.add(target)
    return this.faultIn(target, definitions, place)
  }

  /** A message can do without one of the branches, since which of them is asked depends on the message. */
  #faultOfCondition (schema: OwnSchema, definitions: Definitions, place: string): SchemaError | null {
    if (schema[Kind] !== 'Condition' || schema.then === undefined || schema.else === undefined) return null
    return this.faultIn(schema.then, definitions, place) && this.faultIn(schema.else, definitions, place)
  }

  #faultOfType (schema: TSchema, $defs: Definitions, place: string): SchemaError | null {
    const own = typeIn(schema)
    if (own === undefined) return null
    // The check decides, since the schema of a type can be of any kind.
    const check = new CompiledSchema(ownSchema({ [Kind]: 'Converted', $defs, schema: own }))
    return check.Check(this.#type) ? null : new SchemaError(`describes messages of another type than "${this.#type}"`, placeOf(own) ?? `${place}/properties/type`)
  }
}

/** Returns the schema of the field `type`. Those of fields by pattern do not apply to it, as it is one of the envelope. */
function typeIn (schema: TSchema): TSchema | undefined {
  return (schema as unknown as OwnSchema)[Kind] === 'Fields' ? (schema as unknown as { fields: ReadonlyMap<string, TSchema> }).fields.get('type') : (schema as TObject).properties?.type
}
