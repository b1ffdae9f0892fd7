import { encodeFrame, type EncodedMessage } from './message.js'
import type { Outbox, Outgoing, Path } from './outbox.js'
import type { Transport } from './transport.js'

/** A queue counts as congested when it is this part of a limit full. */
const CONGESTED_FROM = 4
const NO_PATH = { count: 0, bytes: 0 }

/** What all connections of a node have in common. */
export interface SendSettings {
  outbox: Outbox
  /** How much may wait for one socket; a single message is taken whatever its size. */
  maxMessages: number
  maxBytes: number
  /** What becomes of a socket that does not read. */
  slowConsumer: 'disconnect' | 'drop'
  /** Called for every message that is left out. */
  onDropped: () => void
}

/** What became of a message: queued, left out, or the end of the socket. */
export type SendResult = 'queued' | 'dropped' | 'overflow'

/** The messages that wait for one client. All of a turn leave in one write, at its end. */
export class SendQueue implements Outgoing {
  path: Path | null = null
  readonly #transport: Transport
  readonly #settings: SendSettings
  /** How many messages the raw socket has not passed on; stands only while its writableLength is not 0. */
  #stuck = 0
  /** How much more can be taken before the socket is looked at again. */
  #roomBytes = 0
  #roomMessages = 0
  #dropped = 0
  /** How many of those the client was told of. */
  #told = 0

  constructor (transport: Transport, settings: SendSettings) {
    this.#transport = transport
    this.#settings = settings
  }

  /** Whether no close frame was sent or received. */
  get isOpen (): boolean {
    return this.#transport.isOpen
  }

  /** How many messages were left out since the client stopped reading. */
  get dropped (): number {
    return this.#dropped
  }

  /** Whether so much waits that what can wait elsewhere should. */
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

  /** Resolves when everything that waits now has left, or the socket is gone. */
  async drained (): Promise<void> {
    this.flush()
    // Also when there is nothing: whoever asks goes on in a later turn.
    if (this.isOpen) await new Promise<void>((resolve) => this.#transport.onDrained(resolve))
  }

  /** Hot: runs once for every message and socket. On a socket that is closing the message goes nowhere. */
  send (message: EncodedMessage): SendResult {
    const { path } = this
    // What has room this turn needs no look at the socket: what is stuck there can only have become less.
    if (path === null || this.#dropped > 0 || path.bytes + message.frame.length > this.#roomBytes || path.count >= this.#roomMessages) {
      return this.isOpen ? this.#sendFirst(message) : 'queued'
    }
    this.#settings.outbox.append(this, message)
    return 'queued'
  }

  /** The first message of a turn, or one that there may be no room for. */
  #sendFirst (message: EncodedMessage): SendResult {
    if (this.#dropped > 0 && message.isDroppable) return this.#drop()
    if (!this.#hasRoom(message)) {
      // What was only collected for the end of this turn may find its way out now.
      this.flush()
      if (!this.#hasRoom(message)) {
        return this.#settings.slowConsumer === 'drop' && message.isDroppable ? this.#drop() : 'overflow'
      }
    }
    if (this.#dropped > 0) this.#tell()
    this.#settings.outbox.append(this, message)
    return 'queued'
  }

  /** Writes what waits; on a socket that is closing it goes nowhere, since nothing may follow a close frame. */
  flush (): void {
    const { path } = this
    this.path = null
    if (path === null || !this.isOpen) return
    this.#transport.send(path)
    this.#stuck = this.#transport.bufferedBytes === 0 ? 0 : this.#stuck + path.count
  }

  /** Throws away what waits here. False: some of it is in the socket already. */
  discard (): boolean {
    this.path = null
    return this.#transport.bufferedBytes === 0
  }

  /** Cuts the socket and lets go of all that waits, here and in the kernel. */
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
    // A single message is taken whatever its size.
    return (stuckBytes === 0 && count === 0) || (bytes + frame.length <= this.#roomBytes && count < this.#roomMessages)
  }

  /** From the first one on everything that may be left out is, until the client has read what waits; then it is told. */
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

  /** Before whatever comes behind the missing messages: a client that has that, and no more, must not take all before it for read. */
  #tell (): void {
    const count = this.#dropped - this.#told
    this.#told = this.#dropped
    if (count > 0 && this.isOpen) this.#settings.outbox.append(this, encodeFrame({ type: 'dropped', count }))
  }
}
