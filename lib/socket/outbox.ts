import type { EncodedMessage, Encoding } from './message.js'
import type { Batch } from './transport.js'

/** The part of a connection that an outbox works on. */
export interface Outgoing {
  /** The messages that wait for this turn's flush; null: none. */
  path: Path | null
  /** Writes a path's messages to the socket. */
  flush (): void
}

/**
 * The messages that a socket gets in one turn of the event loop, in order. Sockets that get the same messages share one
 * path, and with it the buffer that the messages are joined into.
 */
export class Path implements Batch {
  readonly parent: Path | null
  readonly message: EncodedMessage
  /** Number of messages. */
  readonly count: number
  /** Total size of their plain frames. */
  readonly bytes: number
  #last: Path | null = null
  #encoding: Encoding | null = null
  #joined!: Buffer
  /** Buffers of further encodings. Most paths have none. */
  #others: Map<Encoding, Buffer> | null = null

  constructor (parent: Path | null, message: EncodedMessage) {
    this.parent = parent
    this.message = message
    this.count = parent === null ? 1 : parent.count + 1
    this.bytes = message.frame.length + (parent === null ? 0 : parent.bytes)
  }

  /**
   * Returns the path with one message more. A message is sent to all of its sockets in one go, so all extensions by it follow each
   * other: remembering the last one is enough for them to share it.
   */
  extend (message: EncodedMessage): Path {
    if (this.#last?.message !== message) this.#last = new Path(this, message)
    return this.#last
  }

  /** Returns the joined messages. Hot: runs once for every socket and flush, nearly always with the encoding of the previous socket. */
  in (encoding: Encoding): Buffer {
    if (encoding === this.#encoding) return this.#joined
    if (this.#encoding !== null) return this.#other(encoding)
    this.#encoding = encoding
    this.#joined = this.#join(encoding)
    return this.#joined
  }

  #other (encoding: Encoding): Buffer {
    this.#others ??= new Map()
    let joined = this.#others.get(encoding)
    if (joined === undefined) this.#others.set(encoding, joined = this.#join(encoding))
    return joined
  }

  #join (encoding: Encoding): Buffer {
    if (this.parent === null) return encoding.encode(this.message)
    const parts = new Array<Buffer>(this.count)
    for (let path: Path | null = this; path !== null; path = path.parent) parts[path.count - 1] = encoding.encode(path.message)
    return Buffer.concat(parts)
  }
}

/**
 * Many messages for many sockets, one write for each socket and turn of the event loop. Sending only appends: for a
 * broadcast one comparison a socket. Measured on 1000 sockets with ten messages a turn: a write takes about 5 µs in the
 * kernel, and joining the messages saves nine writes of ten.
 */
export class Outbox {
  #waiting: Outgoing[] = []
  // Path of the first message for sockets without queued ones, shared like the extensions of `Path.extend`.
  #first: Path | null = null
  #isScheduled = false

  append (connection: Outgoing, message: EncodedMessage): void {
    if (connection.path !== null) {
      connection.path = connection.path.extend(message)
      return
    }
    if (this.#first?.message !== message) this.#first = new Path(null, message)
    connection.path = this.#first
    this.#waiting.push(connection)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#flush())
  }

  #flush (): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#first = null
    this.#isScheduled = false
    for (const connection of waiting) connection.flush()
  }
}
