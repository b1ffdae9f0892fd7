import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import type { WebSocket, WebSocketServer } from 'ws'
import { SUBPROTOCOL } from '../../schemas/codes.js'
import { BEARER_PROTOCOL_PREFIX } from '../auth/credentials.js'
import type { SocketLimits, SocketOptions } from '../socket/options.js'
import { COMPRESSION_WINDOW_BITS } from '../socket/websocket-encoding.js'

export type { WebSocketServer }

/**
 * Maximum number of chunks of an incomplete frame: each costs some 300 bytes beyond its contents, and networks deliver more than
 * a thousand bytes per chunk.
 */
const maxBufferedChunks = (maxPayloadBytes: number) => Math.max(1_024, Math.ceil(maxPayloadBytes / 256))

/**
 * Sets up the server's @fastify/websocket. Its options apply to every socket route of the app, so one that the app registered
 * first keeps its options; only a subprotocol selection is added if it has none.
 */
export async function useWebSocketServer (fastify: FastifyInstance, options: Pick<SocketOptions, 'compression' | 'closeTimeoutMs'> & { limits: SocketLimits }): Promise<WebSocketServer> {
  if (fastify.hasDecorator('websocketServer')) {
    const { options: hostOptions } = fastify.websocketServer
    hostOptions.handleProtocols ??= selectSubprotocol
    // In ws, 0 means no limit.
    if ((hostOptions.maxPayload || Infinity) > options.limits.maxPayloadBytes) {
      fastify.log.warn(`@fastify/websocket has maxPayload ${hostOptions.maxPayload}: frames up to it are read as a whole before limits.maxPayloadBytes refuses them`)
    }
  } else {
    const serverOptions = {
      maxPayload: options.limits.maxPayloadBytes,
      maxFragments: options.limits.maxFragments,
      maxBufferedChunks: maxBufferedChunks(options.limits.maxPayloadBytes),
      // Missing in the types of ws: time-out of the close handshake.
      closeTimeout: options.closeTimeoutMs,
      handleProtocols: selectSubprotocol,
      // Without context takeover a compressed message is the same bytes for every socket.
      perMessageDeflate: options.compression.enabled && { serverNoContextTakeover: true, clientNoContextTakeover: true }
    }
    await fastify.register(fastifyWebsocket, { options: serverOptions })
  }
  return fastify.websocketServer
}

/**
 * Selects for the app's own socket routes; ours offer only our own subprotocol. By default ws selects the first offered one, and
 * would echo a token that is offered first.
 */
function selectSubprotocol (offered: Set<string>): string | false {
  if (offered.has(SUBPROTOCOL)) return SUBPROTOCOL
  return [...offered].find((name) => !name.startsWith(BEARER_PROTOCOL_PREFIX)) ?? false
}

/** Returns true if a socket negotiated compression and can read messages compressed with the shared window. */
export function readsCompressed (socket: WebSocket, offered: string | undefined): boolean {
  if (!socket.extensions.includes('permessage-deflate')) return false
  const windows = [...offered!.matchAll(/server_max_window_bits="?(\d+)/g)].map(([, bits]) => Number(bits))
  return windows.every((bits) => bits >= COMPRESSION_WINDOW_BITS)
}
