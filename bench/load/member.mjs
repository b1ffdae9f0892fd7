import { FIRST_SEQ } from '../shared/payloads.mjs'

const SEQ_MARK = '"seq":'

/** One client through all of its sockets: what it has of the stream, and what it got. */
export class Member {
  index
  client = null
  /** Where it is in the stream, in its dialect's own words. */
  position = null
  /** What its dialect keeps besides. */
  session
  delivered = 0
  surplus = 0
  reordered = 0
  #jitter
  #got = null
  #last = FIRST_SEQ - 1
  #return = null

  constructor (jitter, index) {
    this.#jitter = jitter
    this.index = index
  }

  expect (ticks) {
    this.#got = new Uint8Array(ticks)
  }

  /** It begins to connect again: what others have by now is what it has missed. */
  returns () {
    const target = this.#jitter.highest
    this.#return = { target, atMs: performance.now(), owed: target - this.#last }
  }

  take (text) {
    const at = text.indexOf(SEQ_MARK) + SEQ_MARK.length
    const seq = Number(text.slice(at, at + 7))
    this.#jitter.dialect.note(this, text)
    const n = seq - FIRST_SEQ
    if (this.#got[n] !== 0) {
      this.surplus++
      return
    }
    this.#got[n] = 1
    this.delivered++
    if (seq < this.#last) this.reordered++
    if (this.#return !== null && seq <= this.#return.target) this.#return.owed--
    if (seq > this.#last) this.#last = seq
    if (seq > this.#jitter.highest) this.#jitter.highest = seq
    if (this.#return !== null && seq >= this.#return.target) this.#returned()
  }

  /** It is where the others are. Whoever has left something out on the way has not caught up. */
  #returned () {
    const { atMs, owed } = this.#return
    this.#return = null
    if (owed === 0) this.#jitter.latencies.add((performance.now() - atMs) * 1000)
  }
}
