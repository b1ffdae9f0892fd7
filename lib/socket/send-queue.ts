import { encodeFrame, type EncodedMessage } from './message.js'
import type { Outbox, Outgoing, Path } from './outbox.js'
import type { Transport } from './transport.js'

/** Fraction of a limit from which a queue counts as congested. */
const CONGESTED_FROM = 4
const NO_PATH = { count: 0, bytes: 0 }

/** Settings shared by all queues of a node. */
export interface SendSettings {
  outbox: Outbox
  /** Maximum size of one socket's queue; a single message may be larger. */
  maxMessages: number
  maxBytes: number
  /** Handling of a socket that does not read. */
  slowConsumer: 'disconnect' | 'drop'
  /** Called for every dropped message. */
  onDropped: () => void
}

/** Result of a send: the message was queued or dropped, or the socket must be cut. */
export type SendResult = 'queued' | 'dropped' | 'overflow'

/** Queue of one client's messages. All messages of a turn are written together at its end. */
export class SendQueue implements Outgoing {
  path: Path | null = null
  readonly #transport: Transport
  readonly #settings: SendSettings
  /** Number of messages that the raw socket has not handed to the kernel; valid only while its writableLength is not 0. */
  #stuck = 0
  /** Room that is left before the socket must be checked again. */
  #roomBytes = 0
  #roomMessages = 0
  #dropped = 0
  /** Number of those that the client was notified of. */
  #told = 0

  constructor (transport: Transport, settings: SendSettings) {
    this.#transport = transport
    this.#settings = settings
  }

  /** True if no close frame was sent or received. */
  get isOpen (): boolean {
    return this.#transport.isOpen
  }

  /** Number of messages dropped since the client stopped reading. */
  get dropped (): number {
    return this.#dropped
  }

  /** True if the queue is so full that producers should wait if they can. */
  get isCongested (): boolean {
    const { maxBytes, maxMessages } = this.#settings
    const stuckBytes = this.#transport.bufferedBytes
    const { count, bytes } = this.path ?? NO_PATH
    return this.#dropped > 0 || (stuckBytes + bytes) * CONGESTED_FROM >= maxBytes ||
      ((stuckBytes === 0 ? 0 : this.#stuck) + count) * CONGESTED_FROM >= maxMessages
  }

  /** Number of bytes handed to the kernel; NaN for a socket that does not count them. */
  get flushedBytes (): number {
    return this.#transport.flushedBytes
  }

  /** Resolves when all messages queued now have been handed to the kernel, or the socket has ended. */
  async drained (): Promise<void> {
    this.flush()
    // Also for an empty queue: the caller must always continue in a later turn.
    if (this.isOpen) await new Promise<void>((resolve) => this.#transport.onDrained(resolve))
  }

  /** Queues a message; on a closing socket it is discarded. Hot: runs once for every message and socket. */
  send (message: EncodedMessage): SendResult {
    const { path } = this
    // Within the room of this turn the socket need not be checked: its backlog can only have shrunk.
    if (path === null || this.#dropped > 0 || path.bytes + message.frame.length > this.#roomBytes || path.count >= this.#roomMessages) {
      return this.isOpen ? this.#sendFirst(message) : 'queued'
    }
    this.#settings.outbox.append(this, message)
    return 'queued'
  }

  /** Queues the first message of a turn, or one that may exceed the limit. */
  #sendFirst (message: EncodedMessage): SendResult {
    if (this.#dropped > 0 && message.isDroppable) return this.#drop()
    if (!this.#hasRoom(message)) {
      // Flush what was collected for the end of this turn: the socket may accept it now.
      this.flush()
      if (!this.#hasRoom(message)) {
        return this.#settings.slowConsumer === 'drop' && message.isDroppable ? this.#drop() : 'overflow'
      }
    }
    if (this.#dropped > 0) this.#tell()
    this.#settings.outbox.append(this, message)
    return 'queued'
  }

  /** Writes the queued messages; on a closing socket they are discarded, since nothing may follow a close frame. */
  flush (): void {
    const { path } = this
    this.path = null
    if (path === null || !this.isOpen) return
    this.#transport.send(path)
    this.#stuck = this.#transport.bufferedBytes === 0 ? 0 : this.#stuck + path.count
  }

  /** Discards the queued messages. Returns false if some are in the raw socket already. */
  discard (): boolean {
    this.path = null
    return this.#transport.bufferedBytes === 0
  }

  /** Cuts the socket, and discards all messages queued here and in the kernel. */
  destroy (): void {
    this.path = null
    this.#transport.reset()
  }

  #hasRoom ({ frame }: EncodedMessage): boolean {
    const { maxBytes, maxMessages } = this.#settings
    const stuckBytes = this.#transport.bufferedBytes
    const { count, bytes } = this.path ?? NO_PATH
    this.#roomBytes = maxBytes - stuckBytes
    this.#roomMessages = maxMessages - (stuckBytes === 0 ? 0 : this.#stuck)
    // A single message is accepted whatever its size.
    return (stuckBytes === 0 && count === 0) || (bytes + frame.length <= this.#roomBytes && count < this.#roomMessages)
  }

  /** Drops a message, and all further droppable ones until the client has read its backlog; then the client is notified. */
  #drop (): SendResult {
    this.#dropped++
    this.#settings.onDropped()
    if (this.#dropped === 1) this.#transport.onDrained(() => this.#resume())
    return 'dropped'
  }

  #resume (): void {
    this.#tell()
    this.#dropped = this.#told = 0
  }

  /** Sends the `dropped` frame before any message that follows the missing ones: a client must not take its later position for complete. */
  #tell (): void {
    const count = this.#dropped - this.#told
    this.#told = this.#dropped
    if (count > 0 && this.isOpen) this.#settings.outbox.append(this, encodeFrame({ type: 'dropped', count }))
  }
}
