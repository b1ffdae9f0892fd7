import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify'
import type { Admission } from '../sessions/admission.js'
import { NotFoundError } from '../errors.js'
import type { Upgrades } from './upgrades.js'
import { routerLike, unreadableBy } from './router.js'
import { scopesAround } from './scopes.js'
import { isBelow, pathOf } from './url-secrets.js'

export interface GateSettings {
  /** The plugin's path, from the root. */
  path: string
  /** True if @fastify/websocket was registered earlier, here or in another scope: there may be socket routes older than the plugin. */
  mayHaveOlder: boolean
}

/**
 * Refuses upgrades of routes that are not socket routes with 404 (RFC 6455 section 4.2.2); @fastify/websocket would open and then
 * close them. On the plugin's path such upgrades count towards the limits, and their origin is checked.
 */
export class UpgradeGate {
  readonly #settings: GateSettings
  readonly #admission: Admission
  /** Socket routes. */
  readonly #sockets = new Set<string>()
  /** Other routes registered after the plugin. */
  readonly #plain = new Set<string>()
  /** The plugin's own plain routes. */
  readonly #own = new Set<string>()
  readonly #router: ReturnType<typeof routerLike>
  readonly #isUnreadable: (url: string) => boolean
  /** Upgrades whose URL could not be decoded. */
  readonly #escaped = new WeakSet<IncomingMessage>()

  constructor (fastify: FastifyInstance, settings: GateSettings, admission: Admission) {
    this.#settings = settings
    this.#admission = admission
    this.#router = routerLike(fastify)
    this.#isUnreadable = unreadableBy(fastify)
    // Other scopes inherit only the hooks that their parent has when they are created.
    for (const scope of scopesAround(fastify)) scope.addHook('onRoute', (route) => this.#add(route))
  }

  /** Marks routes that a scope adds from now on as the plugin's own. */
  own (scope: FastifyInstance): void {
    scope.addHook('onRoute', ({ url }) => {
      this.#own.add(url)
      this.#claim(url)
    })
  }

  /**
   * Escapes the undecodable URL of an upgrade on or below the path: Fastify would answer it before any hook could count it. Such
   * an upgrade is always refused.
   */
  escapeUnreadable (request: IncomingMessage): void {
    const { url } = request
    if (!this.#isUnreadable(url!) || !isBelow(url!, this.#settings.path)) return
    this.#escaped.add(request)
    request.url = pathOf(url!).replaceAll('%', '%25')
  }

  /** Returns true for a socket route or one of the plugin's own. */
  isRouted ({ url }: IncomingMessage): boolean {
    return this.#router.find('GET', url!) !== null
  }

  /** Runs for every request of the app; plain requests pass in the same turn. */
  hook (upgrades: Upgrades): onRequestHookHandler {
    return (request, _reply, done) => {
      if (request.ws !== true && !upgrades.has(request.raw)) return done()
      try {
        this.#assertSocket(request)
      } catch (error) {
        return done(error as Error)
      }
      done()
    }
  }

  /** @throws WSM_ERR_NOT_FOUND, WSM_ERR_RATE_LIMITED, WSM_ERR_FORBIDDEN for an upgrade of a route that is not a socket route */
  #assertSocket (request: FastifyRequest): void {
    const { url } = request.routeOptions
    const isEscaped = this.#escaped.has(request.raw)
    if (url !== undefined && !isEscaped) {
      if (this.#sockets.has(url)) return
      // @fastify/http-proxy handles the upgrades of its own plain routes.
      if (request.ws !== true && !this.#own.has(url)) return
      // Registered before the plugin, so possibly a socket route: left to the app's @fastify/websocket.
      if (this.#settings.mayHaveOlder && !this.#plain.has(url)) return
    }
    if (isEscaped || isBelow(url ?? request.url, this.#settings.path)) this.#admission.screen(request)
    if (!request.is404) throw new NotFoundError('There is no WebSocket at this path')
  }

  #add ({ url, websocket, wsHandler }: RouteOptions): void {
    if (websocket !== true && wsHandler === undefined) {
      this.#plain.add(url)
      return
    }
    this.#sockets.add(url)
    this.#claim(url)
  }

  #claim (url: string): void {
    // A route can exist several times, for different methods or hosts.
    if (!this.#router.hasRoute('GET', url)) this.#router.on('GET', url, () => {})
  }
}
