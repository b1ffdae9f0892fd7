import type { WebSocket } from 'ws'
import { fitReason } from '../close-codes.js'

/**
 * Sends the close frame, and cuts a client that does not answer it in time. ws does so too, but after 30 s where the
 * app registered @fastify/websocket itself and did not say otherwise.
 */
export function closeSocket (socket: WebSocket, code: number, reason: string, timeoutMs: number): void {
  socket.close(code, fitReason(reason))
  const timer = setTimeout(() => socket.terminate(), timeoutMs)
  socket.once('close', () => clearTimeout(timer))
}
