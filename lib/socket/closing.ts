import type { WebSocket } from 'ws'
import type { Rejected } from '../../schemas/records.js'
import { fitReason } from './close-reason.js'

export interface ClosingSettings {
  /** Maximum number of sockets that are closing at the same time. */
  maxClosing: number
  /** How long a client may take to answer a close frame. */
  closeTimeoutMs: number
  /** Where refusals are counted. */
  refusals: Rejected
}

/**
 * The sockets of a node that were sent a close frame and have not ended. Each is cut after `closeTimeoutMs`, and the oldest if
 * there are too many: a closing socket no longer counts as open, so clients that never answer could otherwise pile up.
 */
export class ClosingSockets {
  readonly #settings: ClosingSettings
  readonly #sockets = new Set<WebSocket>()

  constructor (settings: ClosingSettings) {
    this.#settings = settings
  }

  /** Sends the close frame; nothing may be sent after it. */
  close (socket: WebSocket, code: number, reason: string): void {
    socket.close(code, fitReason(reason))
    this.add(socket)
  }

  /**
   * Adds a socket that has sent or received a close frame. ws cuts such sockets too, but only after 30 s if the app registered
   * @fastify/websocket itself without a `closeTimeout`.
   */
  add (socket: WebSocket): void {
    this.#sockets.add(socket)
    const timer = setTimeout(() => socket.terminate(), this.#settings.closeTimeoutMs)
    socket.once('close', () => {
      clearTimeout(timer)
      this.#sockets.delete(socket)
    })
  }

  /** Makes room before another socket opens. Not called when one closes, so a shutdown cuts none for that reason. */
  trim (): void {
    for (const socket of this.#sockets) {
      if (this.#sockets.size <= this.#settings.maxClosing) return
      this.#sockets.delete(socket)
      this.#settings.refusals.closing++
      socket.terminate()
    }
  }
}
