import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'

/** Content codings, the smaller result first. */
const codings = { br: promisify(brotliCompress), gzip: promisify(gzip) }
type Coding = keyof typeof codings

/** One encoding of a text. Its ETag is strong, so each encoding has its own (RFC 9110 section 8.8.3.3). */
export interface Representation {
  /** null: the text itself. */
  coding: Coding | null
  etag: string
  body: Buffer
}

/** A text that never changes, in the encodings that clients accept. Each is made once, when it is first asked for. */
export class EncodedText {
  readonly #text: Buffer
  readonly #hash: string
  readonly #made = new Map<Coding | null, Promise<Representation>>()

  constructor (text: string) {
    this.#text = Buffer.from(text)
    this.#hash = createHash('sha256').update(this.#text).digest('base64url')
  }

  /** Returns the text in the coding that a client prefers. @param acceptEncoding header of the request */
  for (acceptEncoding: string | undefined): Promise<Representation> {
    const coding = preferred(acceptEncoding)
    let made = this.#made.get(coding)
    if (made === undefined) this.#made.set(coding, made = this.#make(coding))
    return made
  }

  async #make (coding: Coding | null): Promise<Representation> {
    if (coding === null) return { coding, etag: `"${this.#hash}"`, body: this.#text }
    return { coding, etag: `"${this.#hash}-${coding}"`, body: await codings[coding](this.#text) }
  }
}

/** Returns true if an `If-None-Match` names the representation, by the weak comparison (RFC 9110 section 13.1.2). */
export function hasRepresentation (ifNoneMatch: string | undefined, { etag }: Representation): boolean {
  return ifNoneMatch !== undefined && ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, '')).some((tag) => tag === '*' || tag === etag)
}

/** The accepted coding of the highest weight (RFC 9110 section 12.5.3). */
function preferred (acceptEncoding = ''): Coding | null {
  const weights = new Map(acceptEncoding.split(',').map((part) => {
    const [name = '', parameter] = part.split(';').map((piece) => piece.trim().toLowerCase())
    return [name, parameter === undefined ? 1 : Number(parameter.replace('q=', ''))]
  }))
  const best = { coding: null as Coding | null, weight: weights.get('identity') ?? 0 }
  for (const coding of ['gzip', 'br'] as const) {
    const weight = weights.get(coding) ?? weights.get('*') ?? 0
    if (weight > 0 && weight >= best.weight) Object.assign(best, { coding, weight })
  }
  return best.coding
}
