/** Any key but zeros, which servers skip. */
const KEY = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

export const TEXT = 0x81
export const PONG = 0x8a
export const CLOSE = 0x88

/** A client's frame; payloads up to 65 535 bytes. */
export function maskedFrame (first, payload) {
  const head = payload.length < 126 ? 2 : 4
  const frame = Buffer.allocUnsafe(head + 4 + payload.length)
  frame[0] = first
  frame[1] = 0x80 | (head === 2 ? payload.length : 126)
  if (head === 4) frame.writeUInt16BE(payload.length, 2)
  KEY.copy(frame, head)
  for (let n = 0; n < payload.length; n++) frame[head + 4 + n] = payload[n] ^ KEY[n & 3]
  return frame
}

/**
 * A request that is made once and copied for every time that it is sent, with another number of seven digits.
 */
export class RequestFrame {
  #frame
  #payloadAt
  #digitsAt

  /** @param {(id: number) => string} ask */
  constructor (ask) {
    const payload = Buffer.from(ask(7_654_321))
    this.#frame = maskedFrame(TEXT, payload)
    this.#payloadAt = this.#frame.length - payload.length
    this.#digitsAt = payload.indexOf('7654321')
  }

  /** The frames of `count` requests with consecutive numbers. */
  repeat (firstId, count) {
    const size = this.#frame.length
    const frames = Buffer.allocUnsafe(size * count)
    for (let n = 0; n < count; n++) {
      this.#frame.copy(frames, n * size)
      let rest = firstId + n
      for (let digit = this.#digitsAt + 6; digit >= this.#digitsAt; digit--) {
        frames[n * size + this.#payloadAt + digit] = (0x30 + rest % 10) ^ KEY[digit & 3]
        rest = Math.floor(rest / 10)
      }
    }
    return frames
  }
}
