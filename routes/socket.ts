import { Type } from '@sinclair/typebox'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import type { Admission, Outcome } from '../lib/sessions/admission.js'
import type { EndpointRule } from '../lib/sessions/endpoints.js'
import type { Lifecycle } from '../lib/sessions/lifecycle.js'
import type { ConnectionOrigin } from '../lib/socket/origin.js'
import type { ClosingSockets } from '../lib/socket/closing.js'
import { Connection, type ConnectionSettings } from '../lib/socket/connection.js'
import { SendQueue, type SendSettings } from '../lib/socket/send-queue.js'
import { plainFrames, type DeflatedFrames } from '../lib/socket/websocket-encoding.js'
import { WebSocketTransport } from '../lib/socket/websocket-transport.js'
import type { Upgrades } from '../lib/http/upgrades.js'
import { readsCompressed, type WebSocketServer } from '../lib/http/websocket-server.js'
import type { Router } from '../lib/protocol/router.js'
import { offerOnlyOurs } from '../lib/sessions/handshake.js'
import { hidingSecrets } from '../lib/http/url-secrets.js'
import { UpgradeRequiredError } from '../lib/errors.js'
import { SocketQuery } from '../schemas/rest.js'
import { faults, tags } from './answers.js'
import { ownRoute } from './own-route.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Decision about an upgrade, kept until its socket opens; null before that. */
    wsAdmission: Admitted | null
  }
}

/** The parts that take a socket from its upgrade to its first frame. */
export interface SocketParts {
  admission: Admission
  lifecycle: Lifecycle
  router: Router
  closing: ClosingSockets
  deflatedFrames: DeflatedFrames
  sendSettings: SendSettings
  connectionSettings: ConnectionSettings
  upgrades: Upgrades
  webSocketServer: WebSocketServer
}

interface Admitted { outcome: Outcome, response: ServerResponse }

/** An upgraded request with its socket, and the response that Fastify made for it. */
interface Upgraded { socket: WebSocket, request: IncomingMessage, response: ServerResponse }

/** Registers a socket route: the plugin's own, or with a rule an endpoint of the app. */
export function socketRoute (fastify: FastifyInstance, url: string, parts: SocketParts, rule: EndpointRule | null): void {
  const { admission, upgrades, closing } = parts

  fastify.route(ownRoute({
    method: 'GET',
    url,
    exposeHeadRoute: false,
    schema: {
      tags,
      summary: 'The socket: send an upgrade request',
      querystring: SocketQuery,
      response: { 101: Type.Null({ description: 'The socket is open' }), ...faults(400, 401, 403, 409, 426, 429, 503) }
    },
    // Admission checks the channel, since its refusals can also be close frames.
    attachValidation: true,
    onRequest: async (request, reply) => {
      if (request.ws) request.wsAdmission = { outcome: await admission.decide(request, rule), response: reply.raw }
    },
    preHandler: (request, _reply, done) => {
      if (request.ws) {
        const admitted = request.wsAdmission!
        admitted.outcome = admission.confirm(admitted.outcome)
        offerOnlyOurs(request.raw)
        // The answer to the upgrade and the first frame leave in one write.
        upgrades.socketOf(request.raw).cork()
      }
      done()
    },
    childLoggerFactory: hidingSecrets(fastify),
    handler: () => { throw new UpgradeRequiredError() },
    wsHandler: (socket, request) => {
      const { outcome: confirmed, response } = request.wsAdmission!
      const raw = upgrades.socketOf(request.raw)
      closing.trim()
      // Confirmed again: a `verifyClient` of the host may have taken a while since.
      const outcome = admission.confirm(confirmed, 'close')
      if ('origin' in outcome) open({ socket, request: request.raw, response }, outcome.origin, parts)
      else closing.close(new WebSocketTransport(socket, raw, plainFrames), outcome.close.code, outcome.close.reason)
      // With the memory engine admission ends within this turn, so the first frame leaves with the answer to the upgrade.
      setImmediate(() => raw.uncork())
    }
  }))
}

/** Opens the connection synchronously: a frame may follow the upgrade in the same packet, and must find its listener. */
function open ({ socket, request, response }: Upgraded, origin: ConnectionOrigin, parts: SocketParts): void {
  const { lifecycle, router, webSocketServer, upgrades, deflatedFrames, sendSettings, connectionSettings } = parts
  // Take the socket over from @fastify/websocket: its listener would log every reset with the request, which it keeps alive, and
  // it would close the socket with 1005 when the server closes.
  socket.removeAllListeners('error')
  // `clients` is undefined if the app has disabled client tracking.
  webSocketServer.clients?.delete(socket)
  const raw = upgrades.socketOf(request)
  // Otherwise the socket keeps the response, the request, and everything that Fastify attached to them in memory.
  response.detachSocket(raw as Socket)
  const encoding = readsCompressed(socket, request.headers['sec-websocket-extensions']) ? deflatedFrames : plainFrames
  const transport = new WebSocketTransport(socket, raw, encoding)
  const connection = new Connection(transport, new SendQueue(transport, sendSettings), origin, connectionSettings)
  connection.inbox.onReleased(() => router.release(connection))
  connection.listen(
    (data, isBinary) => router.receive(connection, data, isBinary),
    (end) => lifecycle.end(connection, end)
  )
  lifecycle.open(connection)
}
