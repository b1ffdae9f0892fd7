import { InvalidOptionError } from '../../errors.js'
import { isSource, type RedisConnectionOptions, type RedisSource } from './source.js'

/** The part of ioredis' `Redis` and `Cluster`, versions 5 and 6, that the engine uses. */
export interface RedisClient {
  readonly isCluster: boolean
  connect (): Promise<void>
  disconnect (): void
  call (command: string, ...args: (string | number)[]): Promise<unknown>
  /** Only for a cluster: addresses of the servers of each slot, master first; the index is the slot. */
  readonly slots?: readonly (readonly string[] | undefined)[]
  /** The servers of a cluster. */
  nodes? (role: 'master' | 'all'): RedisClient[]
  /** Reloads the slot map; emits `refresh`. */
  refreshSlotsCache? (): void
  readonly options?: { host?: string, port?: number }
  duplicate? (options: object): unknown
  /** Subscriptions of the connection, as tracked by ioredis. */
  readonly condition?: { subscriber: false | { channels (kind: 'ssubscribe'): string[] } } | null
  on (event: string, listener: (...args: never[]) => void): unknown
}

/** Creates connections that belong to the engine and are not connected yet. */
export interface ClientFactory {
  readonly isCluster: boolean
  /** Database number, which must be part of channel names: pub/sub ignores databases. */
  readonly database: number
  create (): RedisClient
  /** Creates a connection to one server of a cluster. */
  createLike (server: RedisClient): RedisClient
}

/**
 * Our connections end when they break, and are replaced. By default ioredis would resend calls with an unknown result, or leave
 * them pending, depending on its options.
 */
const CONNECTION_OPTIONS = {
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
  // A stopped server never confirms the disconnect.
  disconnectTimeout: 50,
  // Retries a loading server soon; ioredis waits for at least a second by default.
  maxLoadingRetryTime: 100,
  keyPrefix: ''
}

/** @throws WSM_ERR_INVALID_OPTION for anything but a client or options */
export async function clientFactory (source: RedisSource | RedisConnectionOptions, connectTimeoutMs: number): Promise<ClientFactory> {
  const connectionOptions = { ...CONNECTION_OPTIONS, connectTimeout: connectTimeoutMs }
  const createLike = (server: RedisClient) => server.duplicate!({ ...connectionOptions, readOnly: false }) as RedisClient
  if (!isSource(source)) {
    const { Redis } = await importIoredis()
    return { isCluster: false, database: Number(source.db ?? 0), createLike, create: () => new Redis({ ...source, ...connectionOptions } as never) as RedisClient }
  }
  if (source.isCluster) {
    const cluster = source as unknown as { options: { redisOptions?: object }, duplicate (nodes: [], options: object): RedisClient }
    const { lazyConnect, enableOfflineQueue, retryStrategy, ...ofNodes } = connectionOptions
    const options = {
      lazyConnect,
      enableOfflineQueue,
      // Disabled: it misses subscriptions that the server ends, see `shards.ts`.
      shardedSubscribers: false,
      // A refresh in progress when the client ends would repeat forever; `link.ts` refreshes with its pings instead.
      slotsRefreshInterval: 0,
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: connectTimeoutMs,
      redisOptions: { ...cluster.options.redisOptions, ...ofNodes }
    }
    return { isCluster: true, database: 0, createLike, create: () => cluster.duplicate([], options) }
  }
  const single = source as unknown as { options: { db: number }, duplicate (options: object): RedisClient }
  return { isCluster: false, database: single.options.db, createLike, create: () => single.duplicate(connectionOptions) }
}

async function importIoredis () {
  try {
    return await import('ioredis')
  } catch (error) {
    throw Object.assign(new InvalidOptionError('engine', 'needs the package "ioredis" to be installed'), { cause: error })
  }
}
