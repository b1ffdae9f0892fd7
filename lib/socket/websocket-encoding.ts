import { constants, deflateRawSync } from 'node:zlib'
import { headerBytes, writeHeader } from './frame-header.js'
import type { EncodedMessage, Encoding } from './message.js'

/** A sync flush ends with these bytes, and the receiver adds them again (RFC 7692 section 7.2.1). */
const SYNC_TAIL_BYTES = 4

/**
 * A client may ask for a small window (RFC 7692 section 7.1.2.1), and some do. One of 4 KiB suits them and loses nothing
 * on messages up to that size.
 */
export const COMPRESSION_WINDOW_BITS = 12

/** Plain WebSocket frames. */
export const plainFrames: Encoding = { encode: ({ frame }) => frame }

/** Frames for WebSockets that negotiated compression: messages from `thresholdBytes` on are deflated, once for all sockets. */
export class DeflatedFrames implements Encoding {
  readonly #thresholdBytes: number

  constructor (thresholdBytes: number) {
    this.#thresholdBytes = thresholdBytes
  }

  encode (message: EncodedMessage): Buffer {
    const { frame, payload, isCompressible } = message
    if (!isCompressible || payload.length < this.#thresholdBytes) return frame
    let deflated = message.encoded.get(this)
    if (deflated === undefined) message.encoded.set(this, deflated = deflate(payload))
    return deflated
  }
}

function deflate (payload: Buffer): Buffer {
  const deflated = deflateRawSync(payload, { windowBits: COMPRESSION_WINDOW_BITS, finishFlush: constants.Z_SYNC_FLUSH })
  const length = deflated.length - SYNC_TAIL_BYTES
  const frame = Buffer.allocUnsafe(headerBytes(length) + length)
  writeHeader(frame, length, true)
  deflated.copy(frame, headerBytes(length), 0, length)
  return frame
}
