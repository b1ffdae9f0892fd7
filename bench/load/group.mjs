import { AnswerLoop } from './answer-loop.mjs'
import { Client } from './client.mjs'
import { DeliveryCheck } from './delivery-check.mjs'
import { dialects } from './dialects.mjs'
import { Latencies } from './latencies.mjs'
import { RequestLoop } from './request-loop.mjs'

const QUIET_MS = 5_000

/** The sockets of one peer. */
export class Group {
  dialect
  /** Who gets the messages; between rounds nobody expects any. */
  receiver = this
  #clients = []
  #losses = []
  #strays = 0
  #isClosing = false

  constructor (dialect) {
    this.dialect = dialects[dialect]
  }

  /**
   * @param {number} [left] the number of a socket that is not opened
   * @param {number} [stalled] the number of a socket that reads nothing once it is open
   */
  async connect ({ port, sockets, channels = 0, secret, deflate = false, left, stalled, atOnce = 50 }) {
    const latencies = new Latencies()
    const clients = Array.from({ length: sockets }, (_, index) => index === left ? null : new Client(this, index, { channels, secret }))
    const queue = clients.values()
    const startedMs = performance.now()
    await Promise.all(Array.from({ length: atOnce }, async () => {
      for (const client of queue) {
        if (client === null) continue
        const beforeMs = performance.now()
        await client.connect({ port, deflate })
        latencies.add((performance.now() - beforeMs) * 1000)
      }
    }))
    if (stalled !== undefined) {
      clients[stalled].stall()
      this.#clients = clients.with(stalled, null)
      this.stalled = clients[stalled]
    } else {
      this.#clients = clients
    }
    return { tookMs: performance.now() - startedMs, latency: latencies.summary(), extensions: clients.at(-1).extensions }
  }

  /** Expects what the plan leads to. */
  expect ({ plan, ticks, sampleEvery = 50 }) {
    this.receiver = new DeliveryCheck(this.#clients, { plan, ticks, sampleEvery, seqMark: this.dialect.seqMark })
  }

  async delivered () {
    const check = this.receiver
    await check.done(QUIET_MS)
    this.receiver = this
    return this.#report(check.result())
  }

  async requests ({ durationMs, inFlight, sampleEvery = 10 }) {
    const loop = new RequestLoop(this.#clients, { dialect: this.dialect, inFlight, sampleEvery })
    this.receiver = loop
    const result = await loop.run(durationMs, QUIET_MS)
    this.receiver = this
    return this.#report(result)
  }

  /** Says yes to what is asked, until another round begins. */
  answer () {
    this.receiver = new AnswerLoop()
  }

  close () {
    this.#isClosing = true
    for (const client of this.#clients) client?.destroy()
    this.stalled?.destroy()
    return { losses: this.#losses }
  }

  /** A message that nobody expects. */
  receive () {
    this.#strays++
  }

  ask (client) {
    this.receiver.ask?.(client)
  }

  /** A socket ended that should not have. */
  lost (client, reason) {
    if (this.#isClosing || client === this.stalled) return
    this.#losses.push(`socket ${client.index}: ${reason}`)
  }

  #report (result) {
    const { faults } = result
    faults.lost = this.#losses.length
    faults.strays = this.#strays
    this.#strays = 0
    return { ...result, isFaulty: Object.values(faults).some((count) => count > 0), losses: this.#losses.slice(0, 3) }
  }
}
