import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { asyncApiOptions } from './asyncapi/options.js'
import { authOptions } from './auth/options.js'
import { contractOptions } from './contract/options.js'
import { confirmationLimits, confirmationOptions } from './confirmations/options.js'
import { engineOptions } from './engine/options.js'
import { InvalidOptionError } from './errors.js'
import { httpLimits, httpOptions } from './http/options.js'
import { assertNoConflicts } from './option-conflicts.js'
import { group } from './option-types.js'
import { protocolLimits } from './protocol/options.js'
import { sessionLimits, sessionOptions } from './sessions/options.js'
import { socketLimits, socketOptions } from './socket/options.js'
import { streamLimits, streamOptions } from './streams/options.js'
import { taskOptions } from './tasks/options.js'
import { placeOf, reasonAgainst, type Reason } from './validation/reason.js'

/** The plugin's options with units and defaults; each folder declares its own. */
export const OptionsSchema = Type.Object({
  ...httpOptions,
  ...authOptions,
  ...sessionOptions,
  ...socketOptions,
  ...streamOptions,
  ...confirmationOptions,
  ...taskOptions,
  ...engineOptions,
  ...contractOptions,
  ...asyncApiOptions,
  limits: group({
    ...sessionLimits,
    ...socketLimits,
    ...protocolLimits,
    ...streamLimits,
    ...httpLimits,
    ...confirmationLimits
  }, 'Limits on the resources of clients')
}, { additionalProperties: false })

/** Options that the app passes to `register`. All have defaults, except `jwt` if the app has no @fastify/jwt. */
export type WsPluginOptions = DeepPartial<Static<typeof OptionsSchema>>

/** The options with defaults applied. */
export type Options = Static<typeof OptionsSchema>

/**
 * Applies the defaults and checks everything.
 *
 * @throws WSM_ERR_INVALID_OPTION that names the first bad option
 */
export function normalizeOptions (input: WsPluginOptions): Options {
  const { options, reason } = read(input)
  if (options !== null) {
    assertNoConflicts(options)
    return options
  }
  const { path, message, schema, value } = reason
  const name = placeOf(path).slice(1)
  const meaning = schema?.description === undefined ? '' : ` (${schema.description})`
  const shown = schema === null ? '' : `, got ${show(value, schema)}`
  throw new InvalidOptionError(name === '' ? 'options' : name, `is not valid: ${message}${shown}${meaning}`)
}

/** Interpreted: compiling the schema costs more than its one check. */
const check = {
  Schema: () => OptionsSchema as TSchema,
  Check: (value: unknown): value is Options => Value.Check(OptionsSchema, value),
  Errors: (value: unknown) => Value.Errors(OptionsSchema, value)
}

/** Reads each option once, since an app may pass a proxy or a getter that throws. */
function read (input: WsPluginOptions): { options: Options, reason: null } | { options: null, reason: Reason } {
  const unread = reasonAgainst({ ...check, Check: (value): value is unknown => isObject(value) }, input)
  if (unread !== null) return { options: null, reason: unread }
  const options = withDefaults(OptionsSchema, input) as Options
  const reason = reasonAgainst(check, options)
  return reason === null ? { options, reason } : { options: null, reason }
}

type DeepPartial<T> = { [K in keyof T]?: (T[K] extends object | undefined ? K extends Kept ? T[K] : DeepPartial<T[K]> : T[K]) | undefined }
type Kept = 'contract' | 'jwt' | 'channels' | 'types' | 'engine' | 'authenticate' | 'verifyToken' | 'origins' | 'authorize' | 'authorizeSubscribe' | 'authorizeSend' | 'userIdClaim'

/**
 * Copies the options and fills in defaults for missing and undefined ones. TypeBox's own defaults would modify the input and mix
 * arrays with the default array. `jwt` belongs to @fastify/jwt and is passed on untouched.
 */
function withDefaults (schema: TSchema, input: object): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...input }
  for (const [name, property] of Object.entries<TSchema>(schema.properties)) {
    const value = copy[name] === undefined ? structuredClone(property.default) : copy[name]
    copy[name] = isGroup(property) && isObject(value) ? withDefaults(property, value) : value
  }
  return copy
}

function isGroup (schema: TSchema): boolean {
  return schema.properties !== undefined && schema.default !== undefined
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Formats a bad value for the error message. Text in place of an object, or under an unknown name, is not shown: it may be a secret. */
function show (value: unknown, schema: TSchema): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string' && schema.type !== 'object') return JSON.stringify(value)
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}
