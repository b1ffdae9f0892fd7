import type { WebSocket } from 'ws'
import type { Rejected } from '../../schemas/records.js'
import { fitReason } from '../close-codes.js'

export interface ClosingSettings {
  /** How many sockets may be closing at the same time. */
  maxClosing: number
  /** How long a client may take to answer a close frame. */
  closeTimeoutMs: number
  /** Where refusals are counted. */
  refusals: Rejected
}

/**
 * The sockets of a node that have a close frame and have not ended. Each is cut when its time is over, and the oldest when
 * there are too many: the place of a closing socket is free already, so clients that do not answer could have any number.
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
   * A socket that has a close frame. ws would cut it as well, but after 30 s where the app registered @fastify/websocket itself
   * and did not say otherwise.
   */
  add (socket: WebSocket): void {
    this.#sockets.add(socket)
    const timer = setTimeout(() => socket.terminate(), this.#settings.closeTimeoutMs)
    socket.once('close', () => {
      clearTimeout(timer)
      this.#sockets.delete(socket)
    })
  }

  /** Makes room, before another socket opens. Not when one closes: a node that closes them all cuts none for that. */
  trim (): void {
    for (const socket of this.#sockets) {
      if (this.#sockets.size <= this.#settings.maxClosing) return
      this.#sockets.delete(socket)
      this.#settings.refusals.closing++
      socket.terminate()
    }
  }
}
