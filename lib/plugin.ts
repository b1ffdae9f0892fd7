import type { AddressInfo } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { Access } from '../routes/access.js'
import { callRoute, type CallParts } from '../routes/call.js'
import { routes } from '../routes/index.js'
import { socketRoute, type SocketParts } from '../routes/socket.js'
import { useAuthenticator } from './http/use-authenticator.js'
import type { User } from './user.js'
import { useWebSocketServer } from './http/websocket-server.js'
import { Description } from './asyncapi/description.js'
import type { Engine, EngineContext, EngineFactory } from './engine/engine.js'
import { MemoryEngine } from './engine/memory/engine.js'
import { AlreadyRegisteredError, InvalidOptionError } from './errors.js'
import { warnOfSlowRequests } from './http/request-timeout.js'
import { otherServersOf } from './http/servers.js'
import { Shutdown } from './http/shutdown.js'
import { UnfinishedRequests } from './http/unfinished-requests.js'
import { UpgradeGate } from './http/upgrade-gate.js'
import { Upgrades, isRouting } from './http/upgrades.js'
import { hideSecretsBelow } from './http/url-secrets.js'
import { WsManager } from './manager.js'
import { normalizeOptions, type Options, type WsPluginOptions } from './options.js'
import { createNode, type Node } from './node.js'
import { isError, messageOf } from './thrown.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The realtime layer: users, channels, tasks and questions. */
    ws: WsManager
  }
  interface FastifyRequest {
    /** Caller of a REST route of the plugin; null before it is identified. */
    wsUser: User | null
  }
}

/** Servers that already have the plugin: a second registration in a sibling scope does not see the first one's decorator. */
const servers = new WeakSet<object>()

const plugin: FastifyPluginAsync<WsPluginOptions> = async (fastify, input) => {
  if (fastify.hasDecorator('ws') || servers.has(fastify.server)) throw new AlreadyRegisteredError()
  const options = normalizeOptions(input)
  const authenticatorBy = await useAuthenticator(fastify, options)
  const isHostFirst = fastify.hasDecorator('websocketServer')
  const mayHaveOlder = isHostFirst || isRouting(fastify.server)
  const webSocketServer = await useWebSocketServer(fastify, options)
  const log = fastify.log.child({ plugin: 'fastify-ws-manager' })
  const engine = await engineOf(options, log)
  // Registered early, so the engine's connections are closed even if the rest of the registration fails.
  let hasClosed = false
  let settle = async () => {}
  let end = () => {}
  fastify.addHook('onClose', async () => {
    hasClosed = true
    await settle()
    await engine.close()
    end()
  })
  const node = createNode({ engine, authenticator: authenticatorBy(engine.clock), options, log })
  settle = node.settle
  end = node.end

  // Entry of upgrades and requests, until the server closes.
  const path = fastify.prefix + options.path
  const prepare = hideSecretsBelow(fastify, path)
  const gate = new UpgradeGate(fastify, { path, mayHaveOlder }, node.admission)
  const requests = new UnfinishedRequests(fastify.server, options.closeTimeoutMs, () => node.requests.giveUp())
  const upgrades = new Upgrades(fastify.server, webSocketServer, {
    isRouted: (request) => gate.isRouted(request),
    onUpgrade: (request, socket) => {
      gate.escapeUnreadable(request)
      prepare(request)
      requests.upgraded(socket)
    },
    mayListenElsewhere: isHostFirst,
    // The app may have older socket routes, which look like another library's, so their upgrades must not wait.
    graceMs: mayHaveOlder ? 0 : options.auth.timeoutMs
  })
  const shutdown = new Shutdown(node.registry, upgrades, requests, {
    drainMs: options.drain.timeoutMs,
    windowMs: options.drain.windowMs,
    isOneOfMany: options.engine !== undefined,
    closeTimeoutMs: options.closeTimeoutMs,
    log
  })

  // Routes and the public API.
  const access = new Access(node)
  const sockets: SocketParts = { ...socketPartsOf(node), upgrades, webSocketServer }
  const takesBearer = options.authenticate === undefined
  const calls: CallParts = {
    access, ...callPartsOf(node), limits: options.limits, callers: { takeBearer: takesBearer, mayBeAnonymous: options.auth.anonymous }
  }
  const description = new Description({
    ...node,
    info: options.asyncapi,
    path,
    credentials: { isJwt: takesBearer, cookie: options.auth.cookie ?? null }
  })
  let own!: FastifyInstance
  const manager = new WsManager(node, {
    address: () => addressOf(fastify),
    isClosing: () => shutdown.isClosing,
    hasClosed: () => hasClosed,
    addEndpoint: (url, rule, scope) => socketRoute(scope ?? fastify, url, sockets, rule),
    addCallRoute: (entry) => callRoute(own, calls, entry),
    asyncapi: () => description.document(addressOf(fastify) === null ? null : fastify.listeningOrigin)
  })
  servers.add(fastify.server)
  fastify.decorate('ws', manager)
  for (const name of ['wsUser', 'wsPending', 'wsAdmission'] as const) fastify.decorateRequest(name, null)
  fastify.addHook('onRequest', gate.hook(upgrades))
  await fastify.register(async (scope) => {
    own = scope
    gate.own(scope)
    routes(scope, { node, manager, access, sockets, description, isDescriptionPublic: options.asyncapi.public, servesClientScript: options.clientScript, takesBearer, maxDepth: options.limits.maxDepth })
  }, { prefix: options.path })

  fastify.addHook('onReady', async () => {
    node.handlers.assertComplete()
    node.start()
    warnOfSlowRequests(fastify.server, log)
  })
  fastify.addHook('onListen', async () => {
    for (const server of otherServersOf(fastify)) {
      requests.watch(server)
      server.prependListener('request', prepare)
    }
  })
  fastify.server.prependListener('request', prepare)
  fastify.addHook('preClose', () => {
    node.admission.close()
    return shutdown.close(node.close)
  })
  fastify.addHook('onClose', async () => {
    upgrades.stop()
    fastify.server.removeListener('request', prepare)
  })
}

/** Creates the engine; the only place that names a concrete one. */
async function engineOf ({ engine, confirmations: { retainMs }, auth: { ticketTtlMs }, limits: { maxRevocations }, history }: Options, log: FastifyBaseLogger): Promise<Engine> {
  const { maxBytes, maxTopics, maxBytesPerSender, maxTopicsPerSender, positionTtlMs } = history
  const kept = { retainMs, ticketTtlMs, maxRevocations, maxBytes, maxTopics, maxBytesPerSender, maxTopicsPerSender, positionTtlMs }
  return engine === undefined ? new MemoryEngine(kept) : createEngine(engine, { ...kept, log })
}

function socketPartsOf ({ admission, lifecycle, router, closing, deflatedFrames, sendSettings, connectionSettings }: Node) {
  return { admission, lifecycle, router, closing, deflatedFrames, sendSettings, connectionSettings }
}

function callPartsOf ({ handlers, repeatableCalls, requests, rateBudgets, counters }: Node) {
  return { handlers, repeatableCalls, requests, rateBudgets, counters }
}

/** @throws the error of the factory, always as an Error: Fastify treats a rejection with `undefined` as success */
async function createEngine (factory: EngineFactory, context: EngineContext): Promise<Engine> {
  try {
    return await factory(context)
  } catch (thrown) {
    throw isError(thrown) ? thrown : new InvalidOptionError('engine', `failed: ${messageOf(thrown)}`)
  }
}

/** Returns the first address that the server listens on. */
function addressOf (fastify: FastifyInstance): { host: string, port: number } | null {
  const address = fastify.server.address() as AddressInfo | null
  return address === null ? null : { host: address.address, port: address.port }
}

/** The plugin: `fastify.register(wsPlugin, options)`. Its options are described in {@link WsPluginOptions}. */
export const wsPlugin = fp(plugin, { fastify: '5.x', name: 'fastify-ws-manager' })
