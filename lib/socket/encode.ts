import { constants, deflateRawSync } from 'node:zlib'
import type { ServerFrame } from '../../schemas/frames/server.js'

/** FIN and the opcode of a text frame (RFC 6455 section 5.2). */
const TEXT = 0x81
/** The bit of a compressed message (RFC 7692 section 7.2.3.1). */
const RSV1 = 0x40
/** What a sync flush ends with and the receiver adds again (RFC 7692 section 7.2.1). */
const SYNC_TAIL_BYTES = 4

/**
 * A client may ask for a small window (RFC 7692 section 7.1.2.1), and some do. One of 4 KiB suits them and loses nothing
 * on messages up to that size.
 */
export const COMPRESSION_WINDOW_BITS = 12

/**
 * A message as it goes over the wire: a whole server frame, header and payload in one buffer, made once however many
 * sockets get it.
 */
export class EncodedMessage {
  readonly frame: Buffer
  /** Whether a slow consumer may miss it, where the app chose to drop: the app's own messages, unlike the protocol's. */
  readonly isDroppable: boolean
  readonly #isCompressible: boolean
  readonly #headerBytes: number
  #compressed: Buffer | null = null

  constructor (json: string, isDroppable: boolean, isCompressible: boolean) {
    const length = Buffer.byteLength(json)
    this.isDroppable = isDroppable
    this.#isCompressible = isCompressible
    this.#headerBytes = headerBytes(length)
    this.frame = Buffer.allocUnsafe(this.#headerBytes + length)
    writeHeader(this.frame, TEXT, length)
    this.frame.write(json, this.#headerBytes)
  }

  /** The same message deflated, for sockets that negotiated it; the plain frame below the threshold. Made once. */
  compressedFrame (thresholdBytes: number): Buffer {
    this.#compressed ??= this.#compress(thresholdBytes)
    return this.#compressed
  }

  #compress (thresholdBytes: number): Buffer {
    const payload = this.frame.subarray(this.#headerBytes)
    if (!this.#isCompressible || payload.length < thresholdBytes) return this.frame
    const deflated = deflateRawSync(payload, { windowBits: COMPRESSION_WINDOW_BITS, finishFlush: constants.Z_SYNC_FLUSH })
    const length = deflated.length - SYNC_TAIL_BYTES
    const frame = Buffer.allocUnsafe(headerBytes(length) + length)
    writeHeader(frame, TEXT | RSV1, length)
    deflated.copy(frame, headerBytes(length), 0, length)
    return frame
  }
}

/**
 * Encodes a frame of the protocol.
 *
 * @throws TypeError for what JSON cannot hold: a cycle, a BigInt
 */
export function encode (frame: ServerFrame): EncodedMessage {
  return new EncodedMessage(JSON.stringify(frame), false, true)
}

/** How many bytes a server's frame header takes: none of them for a mask. */
function headerBytes (length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10
}

function writeHeader (frame: Buffer, first: number, length: number): void {
  frame[0] = first
  if (length < 126) {
    frame[1] = length
  } else if (length < 65_536) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
}
