import { Kind, type TImport, type TObject, type TRecord, type TSchema, type TUnion } from '@sinclair/typebox'
import { ANY_FIELD, Place, messageName, ownSchema } from './converted.js'
import { addEnvelope } from './envelope.js'
import { mapHeld } from './holders.js'
import { defined } from './json-arrays.js'

/**
 * Turns a schema of TypeBox into one of whole messages: its objects may have the fields of the envelope, and do not count them. Objects
 * that are parts of a message know nothing of the envelope, also where the schema refers to itself.
 *
 * @param envelope fields that a message may have in any case, with their schemas
 */
export function messageSchema (schema: TSchema, envelope: TObject): TSchema {
  const form = new MessageForm(Object.keys(envelope.properties)).of(schema, '', new Set())
  return defining({}, enveloped(form, envelope))
}

function enveloped (schema: TSchema, envelope: TObject): TSchema {
  if (schema[Kind] !== 'Union') return addEnvelope(schema, envelope)
  return { ...schema, anyOf: (schema as TUnion).anyOf.map((member) => enveloped(member, envelope)) } as unknown as TSchema
}

class MessageForm {
  readonly #exempt: readonly string[]

  constructor (exempt: readonly string[]) {
    this.#exempt = exempt
  }

  /** @param known names that a reference can have */
  of (schema: TSchema, path: string, known: ReadonlySet<string>): TSchema {
    const { $id, ...unnamed } = schema
    if ($id !== undefined) {
      const whole = this.of(unnamed as TSchema, path, new Set([...known, $id]))
      return defining({ [$id]: placed(unnamed as TSchema, path), [messageName($id)]: placed(whole, path) }, whole)
    }
    switch (schema[Kind]) {
      case 'Object': return this.#object(schema as TObject, path)
      case 'Record': return this.#record(schema as TRecord, path)
      case 'Union':
      case 'Not':
      case 'Intersect': return mapHeld(schema, (held, inner) => inner === '/unevaluatedProperties' ? held : this.of(held, path + inner, known))
      case 'Ref':
      case 'This': return known.has(schema.$ref as string) ? { ...schema, $ref: messageName(schema.$ref as string) } as TSchema : schema
      case 'Import': return this.#import(schema as TImport, known)
      default: return schema
    }
  }

  #object (schema: TObject, path: string): TSchema {
    const { properties, required = [], additionalProperties, minProperties, maxProperties } = schema
    const unnamed = this.#exempt.filter((name) => !Object.hasOwn(properties, name))
    if (minProperties === undefined && maxProperties === undefined) {
      return { ...schema, properties: { ...Object.fromEntries(unnamed.map((name) => [name, ANY_FIELD])), ...properties } } as TObject
    }
    const fields = new Map(Object.entries(properties).map(([name, field]) => [name, placed(field, `${path}/properties/${name}`)]))
    return ownSchema({ [Kind]: 'Fields', fields, required, patterns: new Map(), others: additionalProperties, exempt: unnamed, ...defined({ minProperties, maxProperties }) })
  }

  #record ({ patternProperties, additionalProperties, minProperties, maxProperties }: TRecord, path: string): TSchema {
    const patterns = new Map(Object.entries(patternProperties).map(([keys, values]) => [keys, placed(values as TSchema, `${path}/patternProperties/${keys}`)]))
    return ownSchema({
      [Kind]: 'Fields', fields: new Map(), required: [], patterns, others: additionalProperties, exempt: this.#exempt, ...defined({ minProperties, maxProperties })
    })
  }

  /** Defines each schema twice: for parts of the message, and for the whole. */
  #import ({ $defs, $ref }: TImport, outer: ReadonlySet<string>): TSchema {
    const known = new Set([...outer, ...Object.keys($defs)])
    const wholes = Object.entries($defs).map(([name, schema]) => [messageName(name), placed(this.of(schema as TSchema, `/${name}`, known), `/${name}`)])
    return defining({ ...$defs as Record<string, TSchema>, ...Object.fromEntries(wholes) }, { [Kind]: 'Ref', $ref: messageName($ref) } as unknown as TSchema)
  }
}

function defining ($defs: Record<string, TSchema>, schema: TSchema): TSchema {
  return ownSchema({ [Kind]: 'Converted', $defs, schema })
}

function placed (schema: TSchema, path: string): TSchema {
  return { ...schema, [Place]: path } as TSchema
}
