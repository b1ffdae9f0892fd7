import type { EngineFactory } from '../engine.js'
import { clientFactory } from './client.js'
import { openRedisEngine } from './engine.js'
import { normalizeRedisOptions, type RedisEngineOptions } from './options.js'
import type { RedisConnectionOptions, RedisSource } from './source.js'

export type { RedisConnectionOptions, RedisSource } from './source.js'
export type { RedisEngineOptions } from './options.js'

/**
 * Creates an engine for any number of nodes that share one Redis (row H2).
 *
 * @param client an ioredis `Redis` or `Cluster`, which serves only as a template and stays the app's own; or options for `Redis`,
 *   for which the package `ioredis` is loaded
 * @param options `prefix` of all keys and channels (`'wsm'`), `commandTimeoutMs` (2 000), `leaseMs` (15 000), `checkMs` (3 000),
 *   `presenceTtlMs` (600 000), `acceptEviction` (false)
 * @throws WSM_ERR_INVALID_OPTION that names the first bad option
 */
export function redis (client: RedisSource | RedisConnectionOptions, options: Partial<RedisEngineOptions> = {}): EngineFactory {
  const normalized = normalizeRedisOptions(options)
  return async (context) => openRedisEngine(await clientFactory(client, normalized.commandTimeoutMs), normalized, context)
}
