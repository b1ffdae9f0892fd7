import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Fastify's internal name for them; its only public view of them is `addresses()`. */
const BINDINGS = 'fastify.serverBindings'

/**
 * Returns the servers beside `fastify.server`: if `localhost` resolves to several addresses, Fastify creates a server for each
 * further one once the first listens. They pass requests and upgrades to the app, and close after the first.
 */
export function otherServersOf (fastify: FastifyInstance): readonly Server[] {
  for (let instance: object | null = fastify; instance !== null; instance = Object.getPrototypeOf(instance) as object | null) {
    const name = Object.getOwnPropertySymbols(instance).find(({ description }) => description === BINDINGS)
    if (name !== undefined) return (instance as Record<symbol, Server[]>)[name]!
  }
  return []
}
