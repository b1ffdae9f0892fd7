import type { WebSocket } from 'ws'
import type { Rejected } from '../../schemas/records.js'
import type { Liveness } from './liveness.js'

/**
 * The most that can still arrive of a socket that is not read any more: Node reads the network in pieces of this size, and ws
 * handles a piece to its end. Only compressed frames can be larger than the piece they came in.
 */
const PIECE_BYTES = 65_536

export interface InboxSettings {
  /** From how many waiting bytes on the socket is not read. */
  maxPendingBytes: number
  /** Where it is counted that a socket was not read. */
  refusals: Rejected
}

/**
 * The frames of one socket that have arrived and are not done. Those behind a frame that changes identity or memberships wait
 * as they arrived, since what is built from JSON can take twenty times as much; with too many of them the socket is not read.
 */
export class Inbox {
  /** How many handlers work on frames of the socket. */
  pending = 0
  /** Whether a frame that others wait for is under way. */
  isHeld = false
  readonly #socket: WebSocket
  readonly #liveness: Liveness
  readonly #settings: InboxSettings
  // Made with the first frame that waits: most sockets never have any.
  #frames: Buffer[] | null = null
  #bytes = 0
  /** What has arrived since the socket is not read. */
  #lateBytes = 0
  #onReleased!: () => void

  constructor (socket: WebSocket, liveness: Liveness, settings: InboxSettings) {
    this.#socket = socket
    this.#liveness = liveness
    this.#settings = settings
  }

  /** How many frames wait. */
  get waiting (): number {
    return this.#frames?.length ?? 0
  }

  /** Whether the socket is not read. */
  get isPaused (): boolean {
    return this.#socket.isPaused
  }

  /** Sets the one who is told when the frame that others wait for is done. */
  onReleased (listener: () => void): void {
    this.#onReleased = listener
  }

  /** Later frames wait until this is done. It must not reject, and only one can be under way. */
  hold (work: Promise<void>): void {
    this.isHeld = true
    work.then(() => {
      this.isHeld = false
      this.#onReleased()
    })
  }

  /** Keeps a frame, of whatever size, until it is taken. False: the client goes on although the socket is not read. */
  wait (data: Buffer): boolean {
    if (this.isPaused && (this.#lateBytes += data.length) > PIECE_BYTES) return false
    // A copy outside of Node's pool: what ws hands out may be a few bytes of a piece that would stay with them.
    const copy = Buffer.allocUnsafeSlow(data.length)
    data.copy(copy)
    this.#frames ??= []
    this.#frames.push(copy)
    this.#bytes += copy.length
    if (this.#bytes >= this.#settings.maxPendingBytes && !this.isPaused) {
      this.#settings.refusals.pending_bytes++
      this.#socket.pause()
    }
    return true
  }

  /** Takes the frame that has waited longest. */
  take (): Buffer | undefined {
    const data = this.#frames?.shift()
    this.#bytes -= data?.length ?? 0
    if (this.isPaused && this.#bytes < this.#settings.maxPendingBytes) this.#resume()
    return data
  }

  /** The server has ended the socket: what waits is not handled any more, and the answer to the close frame is read. */
  clear (): void {
    this.#frames = null
    this.#bytes = 0
    if (this.isPaused) this.#resume()
  }

  #resume (): void {
    this.#lateBytes = 0
    this.#socket.resume()
    // The answers to earlier pings have waited in the network: only the next ping counts.
    this.#liveness.restart()
  }
}
