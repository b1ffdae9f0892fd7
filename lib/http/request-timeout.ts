import type { Server } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'

/** Warns once if the time to send a request is unlimited, which is Fastify's default. HTTP/2 has no such time-out. */
export function warnOfSlowRequests ({ requestTimeout }: Partial<Server>, log: FastifyBaseLogger): void {
  if (requestTimeout !== 0) return
  log.warn('Fastify\'s requestTimeout is 0: a client can take forever to send a request and hold a connection meanwhile. Set it, for example Fastify({ requestTimeout: 30_000 })')
}
