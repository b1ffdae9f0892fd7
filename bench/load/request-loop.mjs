import { nowMicros } from '../shared/clock.mjs'
import { FIRST_SEQ } from '../shared/payloads.mjs'
import { readDigits } from './digits.mjs'
import { RequestFrame } from './frames.mjs'
import { Latencies } from './latencies.mjs'

/**
 * Every socket keeps a number of requests in flight, and sends another for each reply that it gets. Replies have to come
 * with the ids of the requests, each once and in their order: all peers answer in the call that reads the request.
 */
export class RequestLoop {
  replies = 0
  #clients
  #inFlight
  #sampleEvery
  #idMark
  #idOffset = -1
  #frame
  #latencies = new Latencies()
  #asked
  #answered
  #sentAt
  #disorder = 0
  #isStopped = false
  #open = 0
  #whenDone = null

  constructor (clients, { dialect, inFlight, sampleEvery }) {
    this.#clients = clients
    this.#inFlight = inFlight
    this.#sampleEvery = sampleEvery
    this.#idMark = dialect.idMark
    this.#frame = new RequestFrame(dialect.ask)
    this.#asked = new Int32Array(clients.length).fill(FIRST_SEQ)
    this.#answered = new Int32Array(clients.length).fill(FIRST_SEQ)
    this.#sentAt = clients.map((_client, index) => index % sampleEvery === 0 ? [] : null)
  }

  /** Resolves when the time is over and everything is answered, or nothing was for `quietMs`. */
  async run (durationMs, quietMs) {
    const startedMs = performance.now()
    for (const client of this.#clients) {
      client.owed = this.#inFlight
      this.ask(client)
    }
    await new Promise((resolve) => setTimeout(resolve, durationMs))
    this.#isStopped = true
    let before = -1
    while (this.#open > 0 && before !== this.replies) {
      before = this.replies
      let timer
      await new Promise((resolve) => {
        this.#whenDone = resolve
        timer = setTimeout(resolve, quietMs)
      })
      clearTimeout(timer)
    }
    const faults = { missed: this.#open, surplus: 0, reordered: this.#disorder, wrong: 0, sockets: 0 }
    faults.sockets = this.#clients.filter(({ index }) => this.#asked[index] !== this.#answered[index]).length
    return { delivered: this.replies, tookMs: performance.now() - startedMs, faults, latency: this.#latencies.summary() }
  }

  /** Sends what a socket owes. */
  ask (client) {
    const { index, owed } = client
    client.owed = 0
    if (this.#isStopped) return
    client.write(this.#frame.repeat(this.#asked[index], owed))
    if (this.#sentAt[index] !== null) {
      const now = nowMicros()
      for (let n = 0; n < owed; n++) this.#sentAt[index].push(now)
    }
    this.#asked[index] += owed
    this.#open += owed
  }

  /** Hot. */
  receive (client, chunk, start) {
    const { index } = client
    if (this.#idOffset < 0) this.#idOffset = chunk.indexOf(this.#idMark, start) - start + this.#idMark.length
    if (readDigits(chunk, start + this.#idOffset, 7) !== this.#answered[index]) this.#disorder++
    this.#answered[index]++
    this.#open--
    this.replies++
    if (this.#sentAt[index] !== null) this.#latencies.add(nowMicros() - this.#sentAt[index].shift())
    if (!this.#isStopped) client.owed++
    else if (this.#open === 0) this.#whenDone?.()
  }
}
