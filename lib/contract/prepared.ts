import { APP_TYPE_PATTERN, isProtocolType } from '../../schemas/frames/types.js'
import { reservedFields } from '../../schemas/messages.js'
import type { AnySchema } from '../any-schema.js'
import type { ChannelRule } from '../channel-rule.js'
import { namePattern } from '../name-pattern.js'
import { CompiledSchema } from '../validation/compiled-schema.js'
import { readSchema, toJsonSchema } from '../validation/json-schema.js'
import { SchemaError, asSchemaError } from '../validation/schema-error.js'
import { PreparedAnswer } from './answer.js'
import { copyOf } from './copy.js'
import { contractFault } from './fault.js'
import { namedField } from './named-field.js'
import type { Contract, ContractParts } from './parts.js'

/** A call of the contract. */
export interface PreparedCall { data: AnySchema | undefined, reply: AnySchema | undefined, isRest: boolean, channel: string | undefined }

/** A kind of question of the contract. */
export interface PreparedKind {
  /** Check of its facts; null: it has none. */
  data: CompiledSchema | null
  /** Schema of its facts; undefined: it has none. */
  dataSchema: AnySchema | undefined
  /** Schema of its answers; null: any answer is valid. */
  answer: PreparedAnswer | null
}

/** The messages that belong in the channels of a pattern. */
export interface Belonging { matches: (channel: string) => boolean, types: ReadonlySet<string> }

/** A checked contract. */
export interface PreparedContract {
  messages: ReadonlyMap<string, AnySchema>
  calls: ReadonlyMap<string, PreparedCall>
  kinds: ReadonlyMap<string, PreparedKind>
  rules: Readonly<Record<string, ChannelRule>>
  /** Types of the messages in the channels of each pattern. */
  types: Readonly<Record<string, readonly string[]>>
  belongings: readonly Belonging[]
}

/**
 * Checks a contract whose parts have the right fields.
 *
 * @throws WSM_ERR_INVALID_CONTRACT for a name without a namespace or of the protocol, a schema that cannot be used or that JSON Schema
 *   cannot express, a bad channel pattern, and a channel for messages that the contract does not define
 */
export function prepareContract ({ messages = {}, calls = {}, confirmations = {}, channels = {} }: ContractParts): PreparedContract {
  const belongings = [...each(channels, (pattern, { messages: types }) => {
    const matches = assertPattern('channels', pattern, pattern)
    const unknown = types?.find((type) => !Object.hasOwn(messages, type))
    if (unknown !== undefined) throw contractFault('channels', pattern, `"${unknown}" is not a message of the contract`)
    if (types?.length === 0) throw contractFault('channels', pattern, 'its messages are empty: leave them out to allow all')
    return types === undefined ? null : { matches, types: new Set(types) }
  }).values()].filter((belonging) => belonging !== null)
  return {
    messages: each(messages, (type, schema) => {
      assertName('messages', type)
      return copyFor('messages', type, 'schema', schema, (json) => assertWithout(reservedFields, json, 'only the server sets'))
    }),
    calls: each(calls, (type, { data, reply, rest = false, channel }) => {
      assertName('calls', type)
      if (channel !== undefined) assertPattern('calls', type, channel)
      if (channel !== undefined && rest) throw contractFault('calls', type, 'a call with a channel cannot have rest, since a REST request has no socket')
      const fields = channel === undefined ? FRAME_FIELDS : [...FRAME_FIELDS, 'channel']
      return { data: usable('calls', type, 'data', data, (json) => assertWithout(fields, json, "is the frame's")), reply: usable('calls', type, 'reply', reply), isRest: rest, channel }
    }),
    kinds: each(confirmations, (kind, { data, answer }) => {
      assertName('confirmations', kind)
      const facts = usable('confirmations', kind, 'data', data)
      return {
        dataSchema: facts,
        data: facts === undefined ? null : named('confirmations', kind, 'data', () => new CompiledSchema(readSchema(facts))),
        answer: answer === undefined ? null : named('confirmations', kind, 'answer', () => new PreparedAnswer(copyOf(answer)))
      }
    }),
    rules: Object.fromEntries(each(channels, (_pattern, { messages: _messages, ...rule }) => copyOf(rule))),
    types: typesOf(belongings, Object.keys(channels), Object.keys(messages)),
    belongings
  }
}

type Part = keyof Contract

/** Fields of the frame of a call. */
const FRAME_FIELDS = ['id', 'type', 'idempotency_key']

function each<V, R> (values: { readonly [name: string]: V }, prepare: (name: string, value: V) => R): Map<string, R> {
  return new Map(Object.entries(values).map(([name, value]) => [name, prepare(name, value)]))
}

/** @throws WSM_ERR_INVALID_CONTRACT */
function assertName (part: Part, name: string): void {
  if (isProtocolType(name)) throw contractFault(part, name, 'the name is reserved for the protocol')
  if (!APP_TYPE_PATTERN.test(name)) throw contractFault(part, name, 'the name must be namespaced, like "chat.send"')
}

/** @throws WSM_ERR_INVALID_CONTRACT */
function assertPattern (part: Part, name: string, pattern: string): (channel: string) => boolean {
  const matches = namePattern(pattern)
  if (matches === null) throw contractFault(part, name, `"${pattern}" is not a valid channel pattern: use up to 200 characters, with * for any text`)
  return matches
}

/** Copies a schema where there is one. @throws as `copyFor` */
function usable (part: Part, name: string, field: string, schema: AnySchema | undefined, assertFit?: (json: unknown) => void): AnySchema | undefined {
  return schema === undefined ? undefined : copyFor(part, name, field, schema, assertFit)
}

/**
 * Copies a schema, which the app may change later.
 *
 * @throws WSM_ERR_INVALID_CONTRACT also for one that documents and clients could not be made of
 */
function copyFor (part: Part, name: string, field: string, schema: AnySchema, assertFit: (json: unknown) => void = () => {}): AnySchema {
  return named(part, name, field, () => {
    const copy = copyOf(schema)
    assertFit(toJsonSchema(copy))
    return copy
  })
}

/** @throws SchemaError for a schema that names one of the fields */
function assertWithout (fields: readonly string[], json: unknown, reason: string): void {
  const named = namedField(json, fields)
  if (named !== undefined) throw new SchemaError(`has the field "${named}", which ${reason}`)
}

/** Finds the messages in the channels of each pattern: those of the last rule with messages that matches every channel of the pattern. */
function typesOf (belongings: readonly Belonging[], patterns: readonly string[], all: readonly string[]): Record<string, readonly string[]> {
  // A pattern that matches another one's text matches whatever that one matches.
  return Object.fromEntries(patterns.map((pattern) => [pattern, [...belongings.findLast(({ matches }) => matches(pattern))?.types ?? all]]))
}

function named<T> (part: Part, name: string, field: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw contractFault(part, name, `its ${field} ${asSchemaError(error).message}`)
  }
}
