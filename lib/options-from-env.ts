import { Type, type Static } from '@sinclair/typebox'
import { envSchema } from 'env-schema'
import { InvalidArgumentError } from './errors.js'
import type { WsPluginOptions } from './options.js'
import { isPlainObject } from './plain-object.js'

/** Same bounds as the option it sets: one millisecond up to the longest timer. */
const seconds = (description: string) =>
  Type.Optional(Type.Number({ minimum: 0.001, maximum: 2_147_483, description: `${description}, seconds` }))

/** Environment variables (row A14). */
const Environment = Type.Object({
  WEBSOCKET_HOST: Type.Optional(Type.String({ minLength: 1, description: 'Where to listen' })),
  WEBSOCKET_PORT: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  WEBSOCKET_MAX_CONNECTIONS: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000 })),
  WEBSOCKET_PING_INTERVAL: seconds('Time between two pings'),
  WEBSOCKET_PING_TIMEOUT: seconds('How long a client may take to answer a ping'),
  WEBSOCKET_CALLBACK_TIMEOUT: seconds('How long a question waits for its answer')
})

/** The options of `fastify.listen()` that say where to listen. */
interface Listen { host?: string, port?: number }

/**
 * Merges the plugin's options with the environment, which takes precedence: WEBSOCKET_MAX_CONNECTIONS, and in seconds
 * WEBSOCKET_PING_INTERVAL, WEBSOCKET_PING_TIMEOUT and WEBSOCKET_CALLBACK_TIMEOUT (row A14). Groups (`limits`, `heartbeat`, …) are
 * merged option by option.
 *
 * @param options the app's own; not modified
 * @throws WSM_ERR_INVALID_ARGUMENT unless `options` is a plain object; Error that names a variable with a bad value
 */
export function optionsFromEnv (options: WsPluginOptions = {}, env: NodeJS.ProcessEnv = process.env): WsPluginOptions {
  assertPlain('optionsFromEnv', options)
  const read = readEnvironment(env)
  const { limits, heartbeat, confirmations } = options
  return {
    ...options,
    ...group('limits', limits, { maxConnections: read.WEBSOCKET_MAX_CONNECTIONS }),
    ...group('heartbeat', heartbeat, {
      intervalMs: toMs(read.WEBSOCKET_PING_INTERVAL), timeoutMs: toMs(read.WEBSOCKET_PING_TIMEOUT)
    }),
    ...group('confirmations', confirmations, { timeoutMs: toMs(read.WEBSOCKET_CALLBACK_TIMEOUT) })
  }
}

/**
 * Merges options of `fastify.listen()` with WEBSOCKET_HOST and WEBSOCKET_PORT, which take precedence.
 *
 * @throws WSM_ERR_INVALID_ARGUMENT unless `options` is a plain object; Error that names a variable with a bad value
 */
export function listenOptionsFromEnv<O extends object> (options: O = {} as O, env: NodeJS.ProcessEnv = process.env): O & Listen {
  assertPlain('listenOptionsFromEnv', options)
  const { WEBSOCKET_HOST: host, WEBSOCKET_PORT: port } = readEnvironment(env)
  return { ...options, ...withoutUndefined({ host, port }) }
}

/** Fields of a Map or another instance would be left out silently. @throws WSM_ERR_INVALID_ARGUMENT */
function assertPlain (name: string, options: unknown): void {
  if (!isPlainObject(options)) throw new InvalidArgumentError(name, 'options: Expected a plain object')
}

function readEnvironment (env: NodeJS.ProcessEnv): Static<typeof Environment> {
  const read = envSchema<Static<typeof Environment>>({ schema: Environment, data: env, env: false, dotenv: false })
  // Ajv accepts infinite numbers within any bound.
  const endless = Object.keys(read).find((name) => Math.abs(Number(read[name as keyof typeof read])) === Infinity)
  if (endless !== undefined) throw new Error(`env/${endless} must be a finite number`)
  return read
}

function toMs (value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 1000)
}

/** Merges a group with values of the environment. A group that is not an object is kept: registration refuses it by name. */
function group<N extends string, T extends object> (name: N, options: T | undefined, values: T): { [K in N]?: T } {
  const defined = withoutUndefined(values)
  if (Object.keys(defined).length === 0 || typeof (options ?? {}) !== 'object' || options === null) return {}
  return { [name]: { ...options, ...defined } } as { [K in N]?: T }
}

function withoutUndefined<T extends object> (values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T
}
