import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { InvalidOptionError } from '../../errors.js'
import { isPlainObject } from '../../plain-object.js'

const milliseconds = (value: number, minimum: number, description: string) =>
  Type.Integer({ minimum, maximum: 2_147_483_647, default: value, description: `${description}, milliseconds` })

/** The engine's options, with their units and defaults. */
export const RedisOptionsSchema = Type.Object({
  // A topic's name is the hash tag of its keys, so no braces may precede it. The database number follows an @.
  prefix: Type.String({ pattern: '^[^{}@\\s]+$', default: 'wsm', description: 'Prefix of all key and channel names; without {, }, @ or white space' }),
  commandTimeoutMs: milliseconds(2_000, 10, 'Time-out of a call'),
  leaseMs: milliseconds(15_000, 300, 'Lease of a node: a node that stays silent longer counts as dead'),
  checkMs: milliseconds(3_000, 10, 'Interval between checks for messages lost on the way to this node'),
  presenceTtlMs: milliseconds(600_000, 1_000, 'Retention of presence after all nodes have ended'),
  acceptEviction: Type.Boolean({ default: false, description: 'Start even if the eviction policy of Redis may remove keys' })
}, { additionalProperties: false })

/** Options of the engine; each has a default. */
export type RedisEngineOptions = Static<typeof RedisOptionsSchema>

/** @throws WSM_ERR_INVALID_OPTION that names the first bad option */
export function normalizeRedisOptions (input: { [K in keyof RedisEngineOptions]?: RedisEngineOptions[K] | undefined }): RedisEngineOptions {
  if (!isPlainObject(input)) throw new InvalidOptionError('engine', 'is not valid: the second argument of redis() must be a plain object')
  const set = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
  const options = { ...Value.Create(RedisOptionsSchema), ...set }
  const fault = Value.Errors(RedisOptionsSchema, options).First()
  if (fault === undefined) return options
  const { path, message, schema: { description } } = fault
  throw new InvalidOptionError(`engine.${path.slice(1)}`, `is not valid: ${message}${description === undefined ? '' : ` (${description})`}`)
}
