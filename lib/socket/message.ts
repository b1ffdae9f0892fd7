import type { ServerFrame } from '../../schemas/frames/server.js'
import { headerBytes, writeHeader } from './frame-header.js'

/** Layout of messages on one kind of transport. One object for all transports of the kind, so that they share buffers. */
export interface Encoding {
  /** Returns the message as it is sent; called once for each batch that it is in. */
  encode (message: EncodedMessage): Buffer
}

/**
 * A message that is encoded once, however many sockets get it. Hot: almost all transports are WebSockets, so the buffer is a ready
 * frame with its header; an encoding of another kind takes the `payload`.
 */
export class EncodedMessage {
  /** A whole WebSocket frame, header and payload. Limits count its bytes on every transport. */
  readonly frame: Buffer
  /** True if a slow consumer may miss it, where the app chose to drop: the app's own messages, unlike the protocol's. */
  readonly isDroppable: boolean
  readonly isCompressible: boolean
  readonly #headerBytes: number
  #encoded: Map<Encoding, Buffer> | null = null

  constructor (json: string, isDroppable: boolean, isCompressible: boolean) {
    const length = Buffer.byteLength(json)
    this.isDroppable = isDroppable
    this.isCompressible = isCompressible
    this.#headerBytes = headerBytes(length)
    this.frame = Buffer.allocUnsafe(this.#headerBytes + length)
    writeHeader(this.frame, length, false)
    this.frame.write(json, this.#headerBytes)
  }

  /** The JSON, as UTF-8. */
  get payload (): Buffer {
    return this.frame.subarray(this.#headerBytes)
  }

  /** Results of encodings that are worth keeping. Made when first asked for. */
  get encoded (): Map<Encoding, Buffer> {
    this.#encoded ??= new Map()
    return this.#encoded
  }
}

/**
 * Encodes a frame of the protocol.
 *
 * @throws TypeError for what JSON cannot hold: a cycle, a BigInt
 */
export function encodeFrame (frame: ServerFrame): EncodedMessage {
  return new EncodedMessage(JSON.stringify(frame), false, true)
}
