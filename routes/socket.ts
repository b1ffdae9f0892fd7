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
import { ChannelName } from '../schemas/fields.js'
import { faults, tags } from './answers.js'
import { ownRoute } from './own-route.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** What was decided about an upgrade, between the decision and the socket. */
    wsAdmission: Admitted | null
  }
}

/** The parts that a socket meets from its upgrade to its first frame. */
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

const SocketQuery = Type.Object({
  channel_id: Type.Optional(ChannelName),
  recover: Type.Optional(Type.String({ description: 'What the client has of its streams, JSON: {topic: {epoch, offset}}' })),
  ticket: Type.Optional(Type.String({ maxLength: 64, description: 'From POST tickets, in place of a token' }))
}, { additionalProperties: true })

/** A route for sockets: the plugin's own, or with a rule the app's. */
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
    // The channel is checked with the rest of the admission, whose refusals can also be close frames.
    attachValidation: true,
    onRequest: async (request, reply) => {
      if (request.ws) request.wsAdmission = { outcome: await admission.decide(request, rule), response: reply.raw }
    },
    preHandler: (request, _reply, done) => {
      if (request.ws) {
        const admitted = request.wsAdmission!
        admitted.outcome = admission.confirm(admitted.outcome)
        offerOnlyOurs(request.raw)
        // What answers the upgrade and the first frame leave in one write.
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
      // Once more: a `verifyClient` of the host may have taken its time since.
      const outcome = admission.confirm(confirmed, 'close')
      if ('origin' in outcome) open(socket, request.raw, outcome.origin, response, parts)
      else closing.close(new WebSocketTransport(socket, raw, plainFrames), outcome.close.code, outcome.close.reason)
      // Being admitted to what is in memory takes no turn of its own: the first frame leaves with the answer to the upgrade.
      setImmediate(() => raw.uncork())
    }
  }))
}

/** Nothing here waits: a frame that follows the upgrade in the same packet must find its listener. */
function open (socket: WebSocket, upgrade: IncomingMessage, origin: ConnectionOrigin, response: ServerResponse, parts: SocketParts): void {
  const { lifecycle, router, webSocketServer, upgrades, deflatedFrames, sendSettings, connectionSettings } = parts
  // From here on the socket is ours: @fastify/websocket would log every reset with its request, which its listener keeps
  // alive, and close the socket with 1005 when the server closes.
  socket.removeAllListeners('error')
  // There are no clients where the app has switched off their tracking.
  webSocketServer.clients?.delete(socket)
  const raw = upgrades.socketOf(upgrade)
  // The socket would keep the answer alive, the answer its request, and both everything that Fastify hung on them.
  response.detachSocket(raw as Socket)
  const encoding = readsCompressed(socket, upgrade.headers['sec-websocket-extensions']) ? deflatedFrames : plainFrames
  const transport = new WebSocketTransport(socket, raw, encoding)
  const connection = new Connection(transport, new SendQueue(transport, sendSettings), origin, connectionSettings)
  connection.inbox.onReleased(() => router.release(connection))
  connection.listen(
    (data, isBinary) => router.receive(connection, data, isBinary),
    (end) => lifecycle.end(connection, end)
  )
  lifecycle.open(connection)
}
