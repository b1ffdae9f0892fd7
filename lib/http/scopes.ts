import type { FastifyInstance } from 'fastify'

/** Lists the scopes around an instance, from itself to the app's root. */
export function scopesAround (fastify: FastifyInstance): FastifyInstance[] {
  const parent = Object.getPrototypeOf(fastify) as FastifyInstance
  return 'setGenReqId' in parent ? [fastify, ...scopesAround(parent)] : [fastify]
}
