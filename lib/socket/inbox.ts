import type { Limits } from '../telemetry/limits.js'
import type { Liveness } from './liveness.js'
import type { Transport } from './transport.js'

/**
 * Maximum number of bytes that can still arrive after a pause: Node reads from the network in chunks of this size, and ws handles
 * a chunk to its end. Only compressed frames can be larger than the chunk they came in.
 */
const PIECE_BYTES = 65_536

export interface InboxSettings {
  /** Number of waiting bytes at which the socket is paused. */
  maxPendingBytes: number
  limits: Pick<Limits, 'pending_bytes'>
}

/**
 * The frames of one socket that have arrived and are not handled yet. Frames behind one that changes identity or memberships wait
 * unparsed, since parsed JSON can take twenty times the memory; if too many wait, the socket is paused.
 */
export class Inbox {
  /** Number of handlers at work on frames of the socket. */
  pending = 0
  /** True while a frame is in progress that later ones wait for. */
  isHeld = false
  readonly #transport: Transport
  readonly #liveness: Liveness
  readonly #settings: InboxSettings
  // Made with the first frame that waits: most sockets never have any.
  #frames: Buffer[] | null = null
  #bytes = 0
  /** Bytes that have arrived during the pause. */
  #lateBytes = 0
  #onReleased!: () => void

  constructor (transport: Transport, liveness: Liveness, settings: InboxSettings) {
    this.#transport = transport
    this.#liveness = liveness
    this.#settings = settings
  }

  /** Number of waiting frames. */
  get waiting (): number {
    return this.#frames?.length ?? 0
  }

  /** True while the socket is paused. */
  get isPaused (): boolean {
    return this.#transport.isPaused
  }

  /** Sets the listener that is called when the frame that others wait for is done. */
  onReleased (listener: () => void): void {
    this.#onReleased = listener
  }

  /** Makes later frames wait for this promise. It must not reject, and only one can be in progress. */
  hold (work: Promise<void>): void {
    this.isHeld = true
    work.then(() => {
      this.isHeld = false
      this.#onReleased()
    })
  }

  /** Queues a frame of any size. Returns false if the socket is paused and more than one chunk has arrived since. */
  wait (data: Buffer): boolean {
    if (this.isPaused && (this.#lateBytes += data.length) > PIECE_BYTES) return false
    // A copy outside of Node's pool: ws may hand out a few bytes of a large chunk, which they would keep alive.
    const copy = Buffer.allocUnsafeSlow(data.length)
    data.copy(copy)
    this.#frames ??= []
    this.#frames.push(copy)
    this.#bytes += copy.length
    if (this.#bytes >= this.#settings.maxPendingBytes && !this.isPaused) {
      this.#settings.limits.pending_bytes.count()
      this.#transport.pause()
    }
    return true
  }

  /** Removes and returns the oldest frame. */
  take (): Buffer | undefined {
    const data = this.#frames?.shift()
    this.#bytes -= data?.length ?? 0
    if (this.isPaused && this.#bytes < this.#settings.maxPendingBytes) this.#resume()
    return data
  }

  /** Called when the server has ended the socket: drops the waiting frames, and resumes reading for the answer to the close frame. */
  clear (): void {
    this.#frames = null
    this.#bytes = 0
    if (this.isPaused) this.#resume()
  }

  #resume (): void {
    this.#lateBytes = 0
    this.#transport.resume()
    // Pongs to earlier pings waited in the network meanwhile: only the next ping counts.
    this.#liveness.restart()
  }
}
