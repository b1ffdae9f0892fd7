/** FIN and the opcode of a text frame (RFC 6455 section 5.2). */
const TEXT = 0x81
/** The bit of a compressed message (RFC 7692 section 7.2.3.1). */
const RSV1 = 0x40

/** Number of bytes in the header of a WebSocket frame from a server, which has no mask. */
export function headerBytes (length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10
}

/** Writes the header of a text message in one frame. */
export function writeHeader (frame: Buffer, length: number, isCompressed: boolean): void {
  frame[0] = isCompressed ? TEXT | RSV1 : TEXT
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
