import { constants, createInflateRaw, inflateRawSync } from 'node:zlib'

/** What a receiver adds to each compressed message (RFC 7692 section 7.2.2). */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

/** The compressed messages of one socket, inflated in the order that they came in. */
export class Inflation {
  /** Settles when everything so far is inflated. */
  settled = Promise.resolve()
  #stream = null
  #chunks = []

  /** @param {string} extensions what was negotiated: with or without a context that outlives a message */
  constructor (extensions) {
    if (extensions.includes('server_no_context_takeover')) return
    this.#stream = createInflateRaw()
    this.#stream.on('data', (chunk) => this.#chunks.push(chunk))
  }

  inflate (payload, onMessage) {
    const input = Buffer.concat([payload, TAIL])
    if (this.#stream === null) {
      onMessage(inflateRawSync(input, { finishFlush: constants.Z_SYNC_FLUSH }))
      return
    }
    this.settled = this.settled.then(() => new Promise((resolve) => {
      this.#stream.write(input)
      this.#stream.flush(() => {
        const message = Buffer.concat(this.#chunks)
        this.#chunks = []
        onMessage(message)
        resolve()
      })
    }))
  }
}
