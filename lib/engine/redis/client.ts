import { InvalidOptionError } from '../../errors.js'
import { isSource, type RedisConnectionOptions, type RedisSource } from './source.js'

/** What the engine uses of ioredis' `Redis` and `Cluster`, of version 5 and 6. */
export interface RedisClient {
  readonly isCluster: boolean
  connect (): Promise<void>
  disconnect (): void
  call (command: string, ...args: (string | number)[]): Promise<unknown>
  /** Only of a cluster: addresses of the servers of each slot, the master first; the index is the slot. */
  readonly slots?: readonly (readonly string[] | undefined)[]
  /** The servers of a cluster. */
  nodes? (role: 'master' | 'all'): RedisClient[]
  /** Reads the map of slots again; emits `refresh`. */
  refreshSlotsCache? (): void
  readonly options?: { host?: string, port?: number }
  duplicate? (options: object): unknown
  /** The subscriptions of the connection, as ioredis keeps them. */
  readonly condition?: { subscriber: false | { channels (kind: 'ssubscribe'): string[] } } | null
  on (event: string, listener: (...args: never[]) => void): unknown
}

/** Makes connections that are the engine's own, not connected yet. */
export interface ClientFactory {
  readonly isCluster: boolean
  /** The number of the database; pub/sub does not tell databases apart, so that names must. */
  readonly database: number
  create (): RedisClient
  /** A connection to one server of a cluster. */
  createLike (server: RedisClient): RedisClient
}

/**
 * A connection of ours ends when it breaks and is replaced by a new one. Left to itself, ioredis sends again what it does
 * not know the result of, or leaves it without one, depending on its options.
 */
const OURS = {
  lazyConnect: true,
  retryStrategy: null,
  reconnectOnError: null,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  enableReadyCheck: true,
  maxRetriesPerRequest: null,
  commandTimeout: undefined,
  // A server that is stopped never says goodbye.
  disconnectTimeout: 50,
  // A server that loads its data is asked again soon whether it has; left to itself, ioredis waits for a second at least.
  maxLoadingRetryTime: 100,
  keyPrefix: ''
}

/** @throws WSM_ERR_INVALID_OPTION for what is neither a client nor options */
export async function clientFactory (given: RedisSource | RedisConnectionOptions, connectTimeoutMs: number): Promise<ClientFactory> {
  const ours = { ...OURS, connectTimeout: connectTimeoutMs }
  const createLike = (server: RedisClient) => server.duplicate!({ ...ours, readOnly: false }) as RedisClient
  if (!isSource(given)) {
    const { Redis } = await importIoredis()
    return { isCluster: false, database: Number(given.db ?? 0), createLike, create: () => new Redis({ ...given, ...ours } as never) as RedisClient }
  }
  if (given.isCluster) {
    const cluster = given as unknown as { options: { redisOptions?: object }, duplicate (nodes: [], options: object): RedisClient }
    const { lazyConnect, enableOfflineQueue, retryStrategy, ...ofNodes } = ours
    const options = {
      lazyConnect,
      enableOfflineQueue,
      // It does not notice when the server ends a subscription: see `shards.ts`.
      shardedSubscribers: false,
      // A refresh in progress when the client ends would repeat for ever: `link.ts` refreshes with its pings.
      slotsRefreshInterval: 0,
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: connectTimeoutMs,
      redisOptions: { ...cluster.options.redisOptions, ...ofNodes }
    }
    return { isCluster: true, database: 0, createLike, create: () => cluster.duplicate([], options) }
  }
  const single = given as unknown as { options: { db: number }, duplicate (options: object): RedisClient }
  return { isCluster: false, database: single.options.db, createLike, create: () => single.duplicate(ours) }
}

async function importIoredis () {
  try {
    return await import('ioredis')
  } catch (error) {
    throw Object.assign(new InvalidOptionError('engine', 'needs the package "ioredis" to be installed'), { cause: error })
  }
}
