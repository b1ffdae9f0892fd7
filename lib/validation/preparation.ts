import {
  FormatRegistry, Kind, KeyOfPattern, PatternStringExact, type TArray, type TImport, type TIntersect, type TRecord, type TRef, type TRegExp, type TSchema, type TString,
  type TTemplateLiteral
} from '@sinclair/typebox'
import { Definition } from './definition.js'
import { mapHeld } from './holders.js'
import { KeyedRecord, MAX_KEY } from './keyed-record.js'
import { Node } from './node.js'
import { toSchema } from './part.js'
import { MAX_PATTERN_TEXT, Pattern } from './pattern.js'
import { SchemaError } from './schema-error.js'
import { Text } from './text.js'
import { UniqueList } from './unique-list.js'

/** Definitions in scope at some point of a schema, by name. */
type Scope = ReadonlyMap<string, { definition: Definition, prepare: () => TSchema }>

/** Makes a schema safe for untrusted input: parts that TypeBox would check in more than linear time are replaced by our own. */
export class Preparation {
  /** Definitions that the prepared schema refers to. */
  readonly definitions = new Set<Definition>()
  readonly #undefined: Array<() => void> = []
  readonly #path: string[] = []

  /** Path of the fault within the schema. */
  get path (): string {
    return this.#path.join('')
  }

  /** @throws SchemaError */
  prepare (schema: TSchema): TSchema {
    const prepared = this.#prepare(schema, new Map())
    for (const define of this.#undefined) define()
    return prepared
  }

  #prepare (schema: TSchema, outer: Scope): TSchema {
    const { $id, ...unnamed } = schema
    // With its name, TypeBox would compile it to a shared function for all schemas of that name.
    const named = unnamed as TSchema
    const scope = $id === undefined ? outer : this.#with(outer, [[$id, named]])
    switch (schema[Kind]) {
      case 'String': return this.#string(named as TString)
      case 'RegExp': return this.#regExp(named as TRegExp)
      case 'TemplateLiteral': return this.#template(named as TTemplateLiteral)
      case 'Record': return this.#record(named as TRecord, scope)
      case 'Ref':
      case 'This': return this.#reference(named as TRef, scope)
      case 'Import': return this.#import(named as TImport, scope)
      case 'Array': return this.#array(named as TArray, scope)
      case 'Intersect': return this.#intersect(named as TIntersect, scope)
      default: return this.#parts(named, scope)
    }
  }

  /** Prepares a part, and keeps its path if that fails. */
  #at<T> (path: string, prepare: () => T): T {
    this.#path.push(path)
    const prepared = prepare()
    this.#path.pop()
    return prepared
  }

  #parts (schema: TSchema, scope: Scope): TSchema {
    return mapHeld(schema, (held, path) => this.#at(path, () => this.#prepare(held, scope)))
  }

  #string (schema: TString): TSchema {
    const { minLength, maxLength, pattern, format } = schema
    if (format !== undefined && !FormatRegistry.Has(format)) {
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

  #record ({ patternProperties, additionalProperties, minProperties, maxProperties }: TRecord, scope: Scope): TSchema {
    const [key, values] = Object.entries(patternProperties)[0]!
    return toSchema(new KeyedRecord({
      minProperties,
      maxProperties,
      keys: key === PatternStringExact ? null : new Pattern(key, '', MAX_KEY),
      values: new Node(this.#at(`/patternProperties/${key}`, () => this.#prepare(values as TSchema, scope))),
      others: typeof additionalProperties === 'object' ? new Node(this.#prepare(additionalProperties, scope)) : additionalProperties
    }))
  }

  #array ({ uniqueItems, ...schema }: TArray, scope: Scope): TSchema {
    const list = this.#parts(schema as TArray, scope)
    return uniqueItems === true ? toSchema(new UniqueList(new Node(list))) : list
  }

  /** TypeBox combines all known keys into one pattern, so the keys themselves must not be patterns. */
  #intersect (schema: TIntersect, scope: Scope): TSchema {
    const prepared = this.#parts(schema, scope) as TIntersect
    if (schema.unevaluatedProperties === undefined) return prepared
    const keys = KeyOfPattern(schema)
    if (keys !== KeyOfPattern(prepared) || /[*+{]/.test(keys)) throw new SchemaError('has unevaluatedProperties beside keys by pattern: name the keys')
    return prepared
  }

  #reference ({ $ref }: Pick<TRef, '$ref'>, scope: Scope): TSchema {
    const target = scope.get($ref)
    if (target === undefined) throw new SchemaError(`cannot be compiled: it refers to "${$ref}", which it does not define`)
    const { definition, prepare } = target
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
    for (const [name, schema] of schemas) scope.set(name, { definition: new Definition(), prepare: () => this.#at(`/${name}`, () => this.#prepare(schema, scope)) })
    return scope
  }
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
