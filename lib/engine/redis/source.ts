import { InvalidOptionError } from '../../errors.js'
import { isPlain } from '../../plain-object.js'

/** An ioredis `Redis` or `Cluster`. The engine creates similar connections of its own, and never uses this one. */
export interface RedisSource {
  readonly isCluster: boolean
  // Only the types of the two classes distinguish their parameters.
  duplicate (...args: never[]): unknown
}

/** Options for ioredis' `Redis`, such as `{ host, port, password }`. */
export interface RedisConnectionOptions {
  /** Host name or address; default `'localhost'`. */
  host?: string | undefined
  /** Port; default 6379. */
  port?: number | undefined
  /** Unix socket, instead of host and port; default: none. */
  path?: string | undefined
  [option: string]: unknown
}

/** Options of other libraries. ioredis would ignore them and connect to this machine. */
const OPTIONS_OF_OTHERS: Readonly<Record<string, string>> = {
  url: 'is an option of the package "redis": pass new Redis(url) of ioredis, or host and port',
  socket: 'is an option of the package "redis": pass host, port and tls at the top level',
  database: 'is an option of the package "redis": ioredis calls it db',
  rootNodes: 'is an option of the package "redis": pass new Cluster(nodes) of ioredis'
}

/**
 * Distinguishes a client from options by shape, without loading either package.
 *
 * @throws WSM_ERR_INVALID_OPTION that says what was passed, if it is neither
 */
export function isSource (value: RedisSource | RedisConnectionOptions): value is RedisSource {
  const other = nameOfOther(value)
  if (other !== null) throw new InvalidOptionError('engine', `redis() needs an ioredis client of version 5 or 6, new Redis(…) or new Cluster(…), or options for one, but got ${other}`)
  if (isIoredis(value)) return true
  for (const [name, meaning] of Object.entries(OPTIONS_OF_OTHERS)) if (name in value) throw new InvalidOptionError(`engine.${name}`, meaning)
  return false
}

function isIoredis (value: object): boolean {
  const { isCluster, duplicate, call } = value as Record<string, unknown>
  return typeof isCluster === 'boolean' && typeof duplicate === 'function' && typeof call === 'function'
}

/** null: an ioredis client, or options. Text is not shown, since a URL can contain a password. */
function nameOfOther (value: unknown): string | null {
  if (typeof value === 'string' || value instanceof URL) return 'a URL, which new Redis(url) takes'
  if (typeof value === 'function') return 'a function: call it'
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return 'a list, which new Cluster(nodes) takes'
  if (isIoredis(value)) return null
  const { then, sendCommand, send_command: sendCommandOf3 } = value as Record<string, unknown>
  if (typeof then === 'function') return 'a promise: await it'
  if (typeof sendCommand === 'function' || typeof sendCommandOf3 === 'function') return 'a client of the package "redis" (node-redis)'
  return isPlain(value) ? null : `an object of class ${value.constructor?.name || 'without a name'}, as a pool is`
}
