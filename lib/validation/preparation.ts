import {
  Kind, PatternStringExact, type TArray, type TImport, type TIntersect, type TObject, type TRecord, type TRef, type TRegExp, type TSchema, type TString,
  type TTemplateLiteral
} from '@sinclair/typebox'
import { Applied } from './applied.js'
import { Condition } from './condition.js'
import { Constant } from './constant.js'
import { Contains } from './contains.js'
import { Place, placeOf, type OwnSchema } from './converted.js'
import { Definition } from './definition.js'
import { hasFormat } from './formats.js'
import { mapHeld } from './holders.js'
import { KeyedRecord, MAX_KEY } from './keyed-record.js'
import { namesIn } from './named-fields.js'
import { Node } from './node.js'
import { OneOf } from './one-of.js'
import { toSchema } from './part.js'
import { MAX_PATTERN_TEXT, Pattern } from './pattern.js'
import { PrefixedList } from './prefixed-list.js'
import { Present } from './present.js'
import { SchemaError } from './schema-error.js'
import { Siblings } from './siblings.js'
import { Text } from './text.js'
import { UniqueList } from './unique-list.js'

/** Definitions in scope at some point of a schema, by name. */
type Scope = ReadonlyMap<string, { definition: Definition, prepare: () => TSchema }>

/** Patterns that TypeBox 0.34 and 1.x, and people, write for any key. */
const ANY_KEY: readonly string[] = [PatternStringExact, '^.*$', '.*', '']

/** Keywords whose schemas apply to the same value. */
const OF_SAME_VALUE = /^\/(?:anyOf|allOf|not)\b/
const OF_OTHER_FIELDS: readonly string[] = ['/additionalProperties', '/unevaluatedProperties']
const SCALARS: ReadonlySet<string> = new Set(['Any', 'Boolean', 'Integer', 'Literal', 'Never', 'Null', 'Number', 'String', 'Unknown'])

/** Makes a schema safe for untrusted input: parts that TypeBox would check in more than linear time are replaced by our own. */
export class Preparation {
  /** Definitions that the prepared schema refers to. */
  readonly definitions = new Set<Definition>()
  readonly #applied = new Applied()
  readonly #undefined: Array<() => void> = []
  readonly #path: string[] = []

  /** Path of the fault within the schema. */
  get path (): string {
    return this.#path.slice(this.#path.findLastIndex((part) => part === '') + 1).join('')
  }

  /** @throws SchemaError */
  prepare (schema: TSchema): TSchema {
    const prepared = this.#prepare(schema, new Map())
    for (const define of this.#undefined) define()
    this.#applied.assertEnd()
    return prepared
  }

  #prepare (schema: TSchema, outer: Scope): TSchema {
    const place = placeOf(schema)
    // A place in the JSON Schema that was given stands for the path so far.
    return place === undefined ? this.#prepareKind(schema, outer) : this.#at('', () => this.#at(place, () => this.#prepareKind(schema, outer)))
  }

  #prepareKind (schema: TSchema, outer: Scope): TSchema {
    const { $id, ...unnamed } = schema
    // With its name, TypeBox would compile it to a shared function for all schemas of that name.
    const named = unnamed as TSchema
    const scope = $id === undefined ? outer : this.#with(outer, [[$id, { ...named, [Place]: this.path } as TSchema]])
    switch (schema[Kind]) {
      case 'String': return this.#string(named as TString)
      case 'RegExp': return this.#regExp(named as TRegExp)
      case 'TemplateLiteral': return this.#template(named as TTemplateLiteral)
      case 'Object': return this.#object(named as TObject, scope)
      case 'Record': return this.#record(named as TRecord, scope)
      case 'Ref':
      case 'This': return this.#reference(named as TRef, scope)
      case 'Import': return this.#import(named as TImport, scope)
      case 'Array': return this.#array(named as TArray, scope)
      case 'Intersect': return this.#intersect(named as TIntersect, scope)
      default: return this.#own(named as unknown as OwnSchema, scope) ?? this.#parts(named, scope)
    }
  }

  /** Prepares the kinds that JSON Schema has beside those of TypeBox; undefined: it is of none. */
  #own (schema: OwnSchema, scope: Scope): TSchema | undefined {
    const nodeOf = (same: TSchema) => new Node(this.#prepare(same, scope))
    const partOf = (part: TSchema) => this.#applied.toParts(() => nodeOf(part))
    const partOrFlag = <T>(part: TSchema | T) => typeof part === 'object' ? partOf(part as TSchema) : part as T
    const partsOf = (parts: ReadonlyMap<string, TSchema>) => [...parts].map(([name, part]) => [name, partOf(part)] as const)
    switch (schema[Kind]) {
      case 'Converted': return this.#prepare(schema.schema, this.#with(scope, Object.entries(schema.$defs)))
      case 'Siblings': return toSchema(new Siblings(schema.members.map(({ schema: member, isNeutral }) => ({ node: nodeOf(member), isNeutral }))))
      case 'OneOf': return toSchema(new OneOf(schema.oneOf.map(nodeOf)))
      case 'Condition': return toSchema(new Condition(nodeOf(schema.if), schema.then && nodeOf(schema.then), schema.else && nodeOf(schema.else)))
      case 'Constant': return toSchema(new Constant(schema.values))
      case 'Contains': return toSchema(new Contains(partOf(schema.contains), schema.minContains, schema.maxContains))
      case 'Present': return toSchema(new Present(nodeOf(schema.schema)))
      case 'Prefixed': {
        const { prefixItems, items, minItems, maxItems, uniqueItems } = schema
        return unique(toSchema(new PrefixedList({ first: prefixItems.map(partOf), others: partOrFlag(items), minItems, maxItems })), uniqueItems)
      }
      case 'Fields': {
        const { fields, required, patterns, others, exempt, minProperties, maxProperties } = schema
        const byPattern = partsOf(patterns).map(([source, values]) => ({ keys: keysOf(source), values }))
        return toSchema(new KeyedRecord({ fields: new Map(partsOf(fields)), required, patterns: byPattern, others: partOrFlag(others), exempt, minProperties, maxProperties }))
      }
      default: return undefined
    }
  }

  /** Prepares a part, and keeps its path if that fails. */
  #at<T> (path: string, prepare: () => T): T {
    this.#path.push(path)
    const prepared = prepare()
    this.#path.pop()
    return prepared
  }

  /** Compiles the schema of a part of the value. */
  #part (path: string, schema: TSchema, scope: Scope): Node {
    return this.#applied.toParts(() => this.#at(path, () => new Node(this.#prepare(schema, scope))))
  }

  #parts (schema: TSchema, scope: Scope): TSchema {
    return mapHeld(schema, (held, path) => {
      const prepare = () => this.#at(path, () => this.#prepare(held, scope))
      const prepared = OF_SAME_VALUE.test(path) ? prepare() : this.#applied.toParts(prepare)
      // TypeBox names the key of the fields in each of these `key`, so that one within another would read the wrong field.
      return OF_OTHER_FIELDS.includes(path) && !SCALARS.has(prepared[Kind]) ? toSchema(new Node(prepared)) : prepared
    })
  }

  #string (schema: TString): TSchema {
    const { minLength, maxLength, pattern, format } = schema
    if (format !== undefined && !hasFormat(format)) {
      throw new SchemaError(`has the format "${format}", which FormatRegistry.Set() of TypeBox must define first`)
    }
    if (pattern !== undefined) return toSchema(new Text({ minLength, maxLength, format, ...bounded(pattern, '', pattern, maxLength) }))
    return format === undefined ? schema : toSchema(new Text({ minLength, maxLength, format }))
  }

  #regExp ({ source, flags, minLength, maxLength }: TRegExp): TSchema {
    return toSchema(new Text({ minLength, maxLength, ...bounded(source, flags, `/${source}/${flags}`, maxLength) }))
  }

  /** Prepares a template; its longest text bounds every text of a choice. */
  #template ({ pattern, minLength, maxLength = templateLength(pattern) }: TTemplateLiteral & { minLength?: number, maxLength?: number }): TSchema {
    return toSchema(new Text({ minLength, maxLength, ...bounded(pattern, '', pattern, maxLength) }))
  }

  /** TypeBox would find the fields that each object inherits, like `constructor`. */
  #object (schema: TObject, scope: Scope): TSchema {
    const { properties, required = [], additionalProperties: others, minProperties, maxProperties } = schema
    if (!Object.keys(properties).some((name) => name in Object.prototype)) return this.#parts(schema, scope)
    const fields = new Map(Object.entries(properties).map(([name, field]) => [name, this.#part(`/properties/${name}`, field, scope)]))
    const rule = typeof others === 'object' ? this.#part('/additionalProperties', others, scope) : others
    return toSchema(new KeyedRecord({ fields, required, patterns: [], others: rule, minProperties, maxProperties }))
  }

  #record ({ patternProperties, additionalProperties, minProperties, maxProperties }: TRecord, scope: Scope): TSchema {
    const [key, values] = Object.entries(patternProperties)[0]!
    return toSchema(new KeyedRecord({
      minProperties,
      maxProperties,
      patterns: [{ keys: keysOf(key), values: this.#part(`/patternProperties/${key}`, values as TSchema, scope) }],
      others: typeof additionalProperties === 'object' ? this.#part('/additionalProperties', additionalProperties, scope) : additionalProperties
    }))
  }

  #array ({ uniqueItems, ...schema }: TArray, scope: Scope): TSchema {
    const list = this.#parts(schema as TArray, scope)
    return unique(list, uniqueItems)
  }

  /** TypeBox would look for the names of fields in the members, of which some are parts of our own by now. */
  #intersect ({ unevaluatedProperties: others, ...schema }: TIntersect, scope: Scope): TSchema {
    const members = this.#parts(schema as TIntersect, scope)
    if (others === undefined || others === true) return members
    const rule = typeof others === 'object' ? this.#part('/unevaluatedProperties', others, scope) : others
    const unnamed = toSchema(new KeyedRecord({ patterns: [], exempt: namesIn(schema as TIntersect), others: rule }))
    // Other fields are kept whole, and with them what the members would remove.
    return toSchema(new Siblings([{ node: new Node(members), isNeutral: others !== false }, { node: new Node(unnamed), isNeutral: true }]))
  }

  #reference ({ $ref }: Pick<TRef, '$ref'>, scope: Scope): TSchema {
    const target = scope.get($ref)
    if (target === undefined) throw new SchemaError(`cannot be compiled: it refers to "${$ref}", which it does not define`)
    const { definition, prepare } = target
    this.#applied.add(definition)
    if (!this.definitions.has(definition)) {
      this.definitions.add(definition)
      this.#undefined.push(() => { definition.node = new Node(prepare()) })
    }
    return toSchema(definition)
  }

  #import ({ $defs, $ref }: TImport, scope: Scope): TSchema {
    return this.#reference({ $ref }, this.#with(scope, Object.entries($defs) as Array<[string, TSchema]>))
  }

  #with (outer: Scope, schemas: ReadonlyArray<readonly [string, TSchema]>): Scope {
    const scope = new Map(outer)
    for (const [name, schema] of schemas) {
      const definition = new Definition()
      const path = `/${name}`
      const prepare = () => this.#applied.byDefinition(definition, placeOf(schema) ?? path, () => this.#at(path, () => this.#prepare(schema, scope)))
      scope.set(name, { definition, prepare })
    }
    return scope
  }
}

/** Makes a pattern of keys; null: it stands for any key. */
function keysOf (source: string): Pattern | null {
  return ANY_KEY.includes(source) ? null : new Pattern(source, '', MAX_KEY)
}

function unique (list: TSchema, isUnique: boolean | undefined): TSchema {
  return isUnique === true ? toSchema(new UniqueList(new Node(list))) : list
}

function bounded (source: string, flags: string, patternName: string, maxLength: number | undefined) {
  if (maxLength === undefined || maxLength > MAX_PATTERN_TEXT) throw new SchemaError(`has the pattern ${source} without a maxLength of at most ${MAX_PATTERN_TEXT}`)
  return { pattern: new Pattern(source, flags, maxLength), patternName }
}

/** @throws SchemaError if it has no bound */
export function templateLength (pattern: string): number {
  if (/[*+{]/.test(pattern)) throw new SchemaError('has a template literal of unbounded length: give it a maxLength')
  return pattern.length
}
