import { Transform, type TransformCallback } from 'node:stream'

/**
 * Maximum nesting of the app's values that are stored and serialized again. V8 serializes a few thousand levels, fewer if the
 * stack is deep already; a stored value must never make a later list of values fail.
 */
export const MOST_KEPT_DEPTH = 1_000

export const QUOTE = 0x22
export const BACKSLASH = 0x5c
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d

/** Tells whether JSON is nested deeper, without parsing it. Hot: runs for every frame that is long enough. */
export function isJsonDeeperThan (json: string, maxDepth: number): boolean {
  // Most frames are too short to be that deep: every level takes two characters.
  if (json.length <= maxDepth * 2) return false
  let depth = 0
  let inString = false
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i)
    if (char === QUOTE) inString = !inString
    else if (inString) {
      if (char === BACKSLASH) i++
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (++depth > maxDepth) return true
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) depth--
  }
  return false
}

/**
 * Passes JSON on to any parser, and fails at nesting deeper than allowed, before the parser builds it.
 * In UTF-8 no byte of another character looks like a bracket or a quote.
 */
export class DepthLimit extends Transform {
  readonly #maxDepth: number
  readonly #tooDeep: () => Error
  #depth = 0
  #inString = false
  #isEscaped = false

  /** @param tooDeep makes the error of the stream */
  constructor (maxDepth: number, tooDeep: () => Error) {
    super()
    this.#maxDepth = maxDepth
    this.#tooDeep = tooDeep
  }

  override _transform (chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#isWithin(chunk)) done(null, chunk)
    else done(this.#tooDeep())
  }

  #isWithin (chunk: Buffer): boolean {
    for (const byte of chunk) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (byte === QUOTE) this.#inString = !this.#inString
      else if (this.#inString) this.#isEscaped = byte === BACKSLASH
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (++this.#depth > this.#maxDepth) return false
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.#depth--
    }
    return true
  }
}
