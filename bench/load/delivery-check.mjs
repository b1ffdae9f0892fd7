import { nowMicros } from '../shared/clock.mjs'
import { FIRST_SEQ } from '../shared/payloads.mjs'
import { plans } from '../shared/plans.mjs'
import { readDigits } from './digits.mjs'
import { Inflation } from './inflation.mjs'
import { Latencies } from './latencies.mjs'

/** `,"at":` and its digits follow the seven digits of `seq`. */
const AT_OFFSET = 7 + ',"at":'.length

/**
 * What every socket has to receive in one round, and what it did: by number, order, and a hash over the numbers in the
 * order that they came in, which has to be the one that the plan leads to.
 */
export class DeliveryCheck {
  delivered = 0
  #clients
  #sampleEvery
  #seqMark
  #seqOffset = -1
  #latencies = new Latencies()
  #expected
  #counts
  #hashes
  #lasts
  #disorder
  #uncounted
  #inflations = new Map()
  #whenDone = null

  /**
   * @param {object[]} clients by number; null where a socket is left out
   * @param {number} sampleEvery every how many sockets one is looked at closely: latency, and compressed messages
   */
  constructor (clients, { plan, ticks, seqMark, sampleEvery }) {
    this.#clients = clients
    this.#sampleEvery = sampleEvery
    this.#seqMark = seqMark
    this.#expected = expectation(clients, plans[plan], ticks)
    this.#counts = new Int32Array(clients.length)
    this.#hashes = new Int32Array(clients.length)
    this.#lasts = new Int32Array(clients.length)
    this.#disorder = new Int32Array(clients.length)
    this.#uncounted = new Uint8Array(clients.length)
  }

  /** Hot. */
  receive (client, chunk, start, length, isCompressed) {
    const { index } = client
    this.delivered++
    this.#counts[index]++
    const isSampled = index % this.#sampleEvery === 0
    if (!isCompressed) this.#note(index, chunk, start, length, isSampled ? nowMicros() : 0)
    else if (isSampled) this.#inflate(client, Buffer.from(chunk.subarray(start, start + length)), nowMicros())
    else this.#uncounted[index] = 1
    if (this.delivered === this.#expected.total) this.#whenDone?.()
  }

  /** Resolves when everything has come, or nothing has come for `quietMs`. */
  async done (quietMs) {
    let before = -1
    while (this.delivered < this.#expected.total && before !== this.delivered) {
      before = this.delivered
      let timer
      await new Promise((resolve) => {
        this.#whenDone = resolve
        timer = setTimeout(resolve, quietMs)
      })
      clearTimeout(timer)
    }
    await Promise.all([...this.#inflations.values()].map((inflation) => inflation.settled))
  }

  result () {
    const faults = { missed: 0, surplus: 0, reordered: 0, wrong: 0, sockets: 0 }
    const { counts, hashes } = this.#expected
    for (const client of this.#clients) {
      if (client === null) continue
      const { index } = client
      const missing = counts[index] - this.#counts[index]
      const isWrong = this.#uncounted[index] === 0 && hashes[index] !== this.#hashes[index]
      if (missing > 0) faults.missed += missing
      if (missing < 0) faults.surplus -= missing
      faults.reordered += this.#disorder[index]
      if (missing === 0 && isWrong) faults.wrong++
      if (missing !== 0 || isWrong || this.#disorder[index] > 0) faults.sockets++
    }
    return { expected: this.#expected.total, delivered: this.delivered, faults, latency: this.#latencies.summary() }
  }

  #note (index, chunk, start, length, arrivedAt) {
    if (this.#seqOffset < 0) this.#seqOffset = chunk.indexOf(this.#seqMark, start) - start + this.#seqMark.length
    const seq = readDigits(chunk, start + this.#seqOffset, 7)
    if (!(seq > this.#lasts[index])) this.#disorder[index]++
    this.#lasts[index] = seq
    this.#hashes[index] = next(this.#hashes[index], seq)
    if (arrivedAt > 0) this.#latencies.add(arrivedAt - readDigits(chunk, start + this.#seqOffset + AT_OFFSET, 16))
  }

  #inflate (client, payload, arrivedAt) {
    const { index } = client
    if (client.inflation === undefined) client.inflation = new Inflation(client.extensions)
    this.#inflations.set(index, client.inflation)
    client.inflation.inflate(payload, (message) => this.#note(index, message, 0, message.length, arrivedAt))
  }
}

function next (hash, seq) {
  return Math.imul(hash, 31) + seq | 0
}

function expectation (clients, plan, ticks) {
  const counts = new Int32Array(clients.length)
  const hashes = new Int32Array(clients.length)
  let total = 0
  let seq = FIRST_SEQ
  const expect = (index) => {
    if (index >= clients.length || clients[index] === null) return
    counts[index]++
    hashes[index] = next(hashes[index], seq)
    total++
  }
  for (let tick = 0; tick < ticks; tick++) {
    plan.operations(tick, (kind, target) => {
      if (kind === 'user') expect(target)
      else if (kind === 'all') for (let index = 0; index < clients.length; index++) expect(index)
      else for (let index = target; index < clients.length; index += plan.channels) expect(index)
      seq++
    })
  }
  return { counts, hashes, total }
}
