import type { Limits } from '../telemetry/limits.js'
import type { Transport } from './transport.js'

export interface ClosingSettings {
  /** Maximum number of sockets that are closing at the same time. */
  maxClosing: number
  /** Time allowed for a client to answer a close frame. */
  closeTimeoutMs: number
  limits: Pick<Limits, 'closing'>
}

/**
 * The sockets of a node that were sent a close frame and have not ended. Each is cut after `closeTimeoutMs`, and the oldest if
 * there are too many: a closing socket no longer counts as open, so clients that never answer could otherwise pile up.
 */
export class ClosingSockets {
  readonly #settings: ClosingSettings
  readonly #transports = new Set<Transport>()

  constructor (settings: ClosingSettings) {
    this.#settings = settings
  }

  /** Sends the close frame; nothing may be sent after it. */
  close (transport: Transport, code: number, reason: string): void {
    transport.close(code, reason)
    this.add(transport)
  }

  /**
   * Adds a socket that has sent or received a close frame. ws cuts such sockets too, but only after 30 s if the app registered
   * @fastify/websocket itself without a `closeTimeout`.
   */
  add (transport: Transport): void {
    this.#transports.add(transport)
    const timer = setTimeout(() => transport.terminate(), this.#settings.closeTimeoutMs)
    transport.onClose(() => {
      clearTimeout(timer)
      this.#transports.delete(transport)
    })
  }

  /** Makes room before another socket opens. Not called when one closes, so a shutdown cuts none for that reason. */
  trim (): void {
    for (const transport of this.#transports) {
      if (this.#transports.size <= this.#settings.maxClosing) return
      this.#transports.delete(transport)
      this.#settings.limits.closing.count()
      transport.terminate()
    }
  }
}
