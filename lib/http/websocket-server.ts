import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import type { WebSocket, WebSocketServer } from 'ws'
import { SUBPROTOCOL } from '../../schemas/codes.js'
import { BEARER_PROTOCOL_PREFIX } from '../auth/credentials.js'
import type { SocketLimits, SocketOptions } from '../socket/options.js'
import { COMPRESSION_WINDOW_BITS } from '../socket/websocket-encoding.js'

export type { WebSocketServer }

/**
 * In how many pieces what is not yet a whole frame may arrive: each costs some 300 bytes more than the one that it can hold,
 * and a network brings more than a thousand in each.
 */
const maxBufferedChunks = (maxPayloadBytes: number) => Math.max(1_024, Math.ceil(maxPayloadBytes / 256))

/**
 * The server's @fastify/websocket. Its options hold for every socket route of the app, so one that the app registered
 * first keeps them; only the choice of the subprotocol is added where there is none.
 */
export async function useWebSocketServer (fastify: FastifyInstance, options: Pick<SocketOptions, 'compression' | 'closeTimeoutMs'> & { limits: SocketLimits }): Promise<WebSocketServer> {
  if (fastify.hasDecorator('websocketServer')) {
    const { options: given } = fastify.websocketServer
    given.handleProtocols ??= selectSubprotocol
    // For ws 0 is no limit.
    if ((given.maxPayload || Infinity) > options.limits.maxPayloadBytes) {
      fastify.log.warn(`@fastify/websocket has maxPayload ${given.maxPayload}: frames up to it are read as a whole before limits.maxPayloadBytes refuses them`)
    }
  } else {
    const serverOptions = {
      maxPayload: options.limits.maxPayloadBytes,
      maxFragments: options.limits.maxFragments,
      maxBufferedChunks: maxBufferedChunks(options.limits.maxPayloadBytes),
      // Not in the types of ws yet: how long it waits for the answer to a close frame.
      closeTimeout: options.closeTimeoutMs,
      handleProtocols: selectSubprotocol,
      // Without contexts a message is the same bytes for every socket.
      perMessageDeflate: options.compression.enabled && { serverNoContextTakeover: true, clientNoContextTakeover: true }
    }
    await fastify.register(fastifyWebsocket, { options: serverOptions })
  }
  return fastify.websocketServer
}

/**
 * For the app's own socket routes; ours leave only our own subprotocol to be selected. ws by default selects the first offered, and
 * would send a token back that is offered first.
 */
function selectSubprotocol (offered: Set<string>): string | false {
  if (offered.has(SUBPROTOCOL)) return SUBPROTOCOL
  return [...offered].find((name) => !name.startsWith(BEARER_PROTOCOL_PREFIX)) ?? false
}

/** Whether a socket negotiated compression, and can read messages that are compressed with the common window. */
export function readsCompressed (socket: WebSocket, offered: string | undefined): boolean {
  if (!socket.extensions.includes('permessage-deflate')) return false
  const windows = [...offered!.matchAll(/server_max_window_bits="?(\d+)/g)].map(([, bits]) => Number(bits))
  return windows.every((bits) => bits >= COMPRESSION_WINDOW_BITS)
}
