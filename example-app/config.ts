import { Type, type Static } from '@sinclair/typebox'
import { envSchema } from 'env-schema'

/** How long what must still be said may take when the node closes. */
export const DRAIN_MS = 10_000
/** How long closing may take altogether, clients that do not answer their close frame included. */
export const CLOSE_MS = DRAIN_MS + 5_000

export const Config = Type.Object({
  HOST: Type.String({ minLength: 1, default: '127.0.0.1' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 3000, description: '0: any that is free' }),
  LOG_LEVEL: Type.String({ minLength: 1, default: 'warn' }),
  TRUST_PROXY: Type.Optional(Type.String({
    minLength: 1, description: 'The addresses of the proxies whose X-Forwarded-* headers are true, with commas; also loopback, uniquelocal'
  })),
  REDIS_URL: Type.Optional(Type.String({ pattern: '^rediss?://', description: 'What the nodes share; without it there is one node' })),
  JWT_SECRET: Type.Optional(Type.String({ minLength: 32, description: 'Without it a development server keeps one of its own; with NODE_ENV "production" every start has a new one, and everybody signs in again' })),
  TOKEN_TTL_S: Type.Integer({ minimum: 1, default: 28_800, description: 'How long a token is valid, seconds' }),
  DRAIN_WINDOW_MS: Type.Integer({ minimum: 0, default: 10_000, description: 'Over how long the return of the clients is spread when the node closes' }),
  CHAT_HISTORY: Type.Integer({ minimum: 1, default: 200, description: 'Messages of the chat that are kept' }),
  BATCH_MS: Type.Integer({ minimum: 0, default: 250, description: 'How long one of the twenty batches of an import takes' })
})

export type Config = Static<typeof Config>

/**
 * The configuration of the example app, from environment variables of these names.
 *
 * @throws Error that names a variable with a bad value
 */
export function readConfig (env: NodeJS.ProcessEnv = process.env): Config {
  const config = envSchema<Config>({ schema: Config, data: env, env: false, dotenv: false })
  // With a secret of its own a node would send away everybody who has signed in on another.
  if (config.REDIS_URL !== undefined && config.JWT_SECRET === undefined) throw new Error('env/JWT_SECRET is needed with REDIS_URL, the same on every node')
  return config
}
