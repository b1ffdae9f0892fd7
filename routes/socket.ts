import { Type } from '@sinclair/typebox'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { closeCodeFor, type Admission, type EndpointRule } from '../lib/sessions/admission.js'
import type { Lifecycle } from '../lib/sessions/lifecycle.js'
import type { UserSlots } from '../lib/sessions/user-slots.js'
import { closeCodes } from '../schemas/codes.js'
import type { ConnectionOrigin } from '../lib/socket/origin.js'
import type { ClosingSockets } from '../lib/socket/closing.js'
import { Connection, type ConnectionSettings } from '../lib/socket/connection.js'
import { SendQueue, type SendSettings } from '../lib/socket/send-queue.js'
import { plainFrames, type DeflatedFrames } from '../lib/socket/websocket-encoding.js'
import { WebSocketTransport } from '../lib/socket/websocket-transport.js'
import type { Shutdown } from '../lib/http/shutdown.js'
import type { UpgradeGate } from '../lib/http/upgrade-gate.js'
import type { Upgrades } from '../lib/http/upgrades.js'
import { readsCompressed, type WebSocketServer } from '../lib/http/websocket-server.js'
import type { Router } from '../lib/protocol/router.js'
import { offerOnlyOurs, readHandshake } from '../lib/http/handshake.js'
import { hidingSecrets } from '../lib/http/url-secrets.js'
import { InvalidHandshakeError, UnavailableError, UpgradeRequiredError, toWire } from '../lib/errors.js'
import { ChannelName } from '../schemas/fields.js'
import { faults, tags } from './answers.js'
import { ownRoute } from './own-route.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** What was decided about an upgrade, between the decision and the socket. */
    wsAdmission: Admitted | { refusal: unknown } | null
  }
}

/** The parts that a socket meets from its upgrade to its first frame. */
export interface SocketParts {
  admission: Admission
  slots: UserSlots
  lifecycle: Lifecycle
  router: Router
  closing: ClosingSockets
  deflatedFrames: DeflatedFrames
  sendSettings: SendSettings
  connectionSettings: ConnectionSettings
  gate: UpgradeGate
  upgrades: Upgrades
  shutdown: Shutdown
  webSocketServer: WebSocketServer
  rejectMode: 'http' | 'close'
}

interface Admitted { origin: ConnectionOrigin, response: ServerResponse }

const SocketQuery = Type.Object({
  channel_id: Type.Optional(ChannelName),
  recover: Type.Optional(Type.String({ description: 'What the client has of its streams, JSON: {topic: {epoch, offset}}' })),
  ticket: Type.Optional(Type.String({ maxLength: 64, description: 'From POST tickets, in place of a token' }))
}, { additionalProperties: true })

/** A route for sockets: the plugin's own, or with a rule the app's. */
export function socketRoute (fastify: FastifyInstance, url: string, parts: SocketParts, rule: EndpointRule | null): void {
  const { admission, shutdown, upgrades, gate, rejectMode, slots, closing } = parts

  const refused = (request: FastifyRequest, error: unknown): void => {
    // Without a handshake there is no socket to send a close frame on.
    if (rejectMode === 'http' || error instanceof UpgradeRequiredError || error instanceof InvalidHandshakeError) throw error
    request.wsAdmission = { refusal: error }
  }

  async function decide (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!request.ws) return
    try {
      if (shutdown.isClosing) throw new UnavailableError('The server is closing')
      gate.countConnect(request)
      readHandshake(request.raw)
      slots.assertCapacity()
      request.wsAdmission = { origin: await admission.admit(request, rule), response: reply.raw }
    } catch (error) {
      refused(request, error)
    }
  }

  /** The last look, in the turn in which the socket opens: others may have taken the place since the first. */
  function assertRoom (request: FastifyRequest): void {
    const decision = request.wsAdmission!
    if (!('origin' in decision)) return
    try {
      slots.assertMayOpen(decision.origin)
    } catch (error) {
      refused(request, error)
    }
  }

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
    onRequest: decide,
    preHandler: (request, _reply, done) => {
      if (request.ws) {
        assertRoom(request)
        offerOnlyOurs(request.raw)
        // What answers the upgrade and the first frame leave in one write.
        upgrades.socketOf(request.raw).cork()
      }
      done()
    },
    childLoggerFactory: hidingSecrets(fastify),
    handler: () => { throw new UpgradeRequiredError() },
    wsHandler: (socket, request) => {
      const decision = request.wsAdmission!
      closing.trim()
      if ('origin' in decision) open(socket, request, decision, parts)
      else refuse(socket, request.raw, closeCodeFor(decision.refusal), toWire(decision.refusal).message, parts)
      // Being admitted to what is in memory takes no turn of its own: the first frame leaves with the answer to the upgrade.
      const raw = upgrades.socketOf(request.raw)
      setImmediate(() => raw.uncork())
    }
  }))
}

/** Nothing here waits: a frame that follows the upgrade in the same packet must find its listener. */
function open (socket: WebSocket, { raw: upgrade }: FastifyRequest, { origin, response }: Admitted, parts: SocketParts): void {
  const { lifecycle, router, slots, shutdown, webSocketServer, upgrades, deflatedFrames, sendSettings, connectionSettings } = parts
  if (shutdown.isClosing) return refuse(socket, upgrade, closeCodes.goingAway, 'The server is closing', parts)
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
    (end) => {
      slots.ended(connection)
      lifecycle.end(connection, end)
    }
  )
  slots.opened(connection)
  lifecycle.open(connection)
}

function refuse (socket: WebSocket, upgrade: IncomingMessage, code: number, reason: string, { closing, upgrades }: Pick<SocketParts, 'closing' | 'upgrades'>): void {
  closing.close(new WebSocketTransport(socket, upgrades.socketOf(upgrade), plainFrames), code, reason)
}
