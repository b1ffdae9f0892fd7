import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Fastify's own name for them; its only public look at them is `addresses()`. */
const BINDINGS = 'fastify.serverBindings'

/**
 * The servers beside `fastify.server`: where an app listens on `localhost`, and that has several addresses, Fastify makes a server
 * for each further one as soon as the first listens. They hand their requests and upgrades to the app, and close behind the first.
 */
export function otherServersOf (fastify: FastifyInstance): readonly Server[] {
  for (let instance: object | null = fastify; instance !== null; instance = Object.getPrototypeOf(instance) as object | null) {
    const name = Object.getOwnPropertySymbols(instance).find(({ description }) => description === BINDINGS)
    if (name !== undefined) return (instance as Record<symbol, Server[]>)[name]!
  }
  return []
}
