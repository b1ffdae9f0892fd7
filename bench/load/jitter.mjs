import { FIRST_SEQ } from '../shared/payloads.mjs'
import { Client } from './client.mjs'
import { Latencies } from './latencies.mjs'
import { Member } from './member.mjs'
import { returningDialects } from './returning-dialects.mjs'

const QUIET_MS = 5_000

/** Clients that lose their connection again and again, and come back with what they have of the stream. */
export class Jitter {
  dialect
  /** The latest message that any client has. */
  highest = FIRST_SEQ - 1
  latencies = new Latencies()
  #target
  #members = []
  #ticks = 0
  #isOver = false
  #drops = 0
  #failures = []

  constructor (dialect) {
    this.dialect = returningDialects[dialect]
  }

  async connect ({ port, sockets, secret, atOnce = 50 }) {
    this.#target = { port, secret }
    this.#members = Array.from({ length: sockets }, (_, index) => new Member(this, index))
    const queue = this.#members.values()
    await Promise.all(Array.from({ length: atOnce }, async () => {
      for (const member of queue) await this.#open(member)
    }))
  }

  expect ({ ticks }) {
    this.#ticks = ticks
    for (const member of this.#members) member.expect(ticks)
  }

  /**
   * Drops each client after a time of `upMs` on average, exponentially distributed, for `awayMs`; after `durationMs` all come
   * back. Resolves when every message has come, or nothing comes any more.
   */
  async run ({ durationMs, upMs, awayMs, seed }) {
    const endMs = performance.now() + durationMs
    await Promise.all(this.#members.map(async (member) => {
      const next = random(seed * 100_000 + member.index)
      for (;;) {
        const ms = -Math.log(1 - next()) * upMs
        if (performance.now() + ms + awayMs > endMs) return
        await sleep(ms)
        member.client.destroy()
        this.#drops++
        await sleep(awayMs)
        member.returns()
        await this.#open(member)
      }
    }))
    await sleep(endMs - performance.now())
    const expected = this.#ticks * this.#members.length
    const delivered = () => this.#members.reduce((sum, member) => sum + member.delivered, 0)
    for (let before = -1, quietSinceMs = performance.now(); delivered() < expected;) {
      if (delivered() !== before) quietSinceMs = performance.now()
      else if (performance.now() - quietSinceMs > QUIET_MS) break
      before = delivered()
      await sleep(50)
    }
    const sum = (field) => this.#members.reduce((sum, member) => sum + member[field], 0)
    return {
      expected,
      delivered: delivered(),
      drops: this.#drops,
      faults: { missed: expected - delivered(), surplus: sum('surplus'), reordered: sum('reordered'), lost: this.#failures.length },
      losses: this.#failures.slice(0, 3),
      latency: this.latencies.summary()
    }
  }

  close () {
    this.#isOver = true
    for (const { client } of this.#members) client?.destroy()
    return { losses: this.#failures }
  }

  /** Between the frames of a socket there is nobody else to ask. */
  get receiver () {
    return this
  }

  ask () {}

  receive (client, chunk, start, length) {
    if (client === client.member.client) client.member.take(chunk.toString('utf8', start, start + length))
  }

  /** A socket ended that should not have. */
  lost (client, reason) {
    if (!this.#isOver) this.#failures.push(`socket ${client.index}: ${reason}`)
  }

  async #open (member) {
    const { port, secret } = this.#target
    const client = new Client(this, member.index, { channels: 0, secret })
    client.member = member
    member.client = client
    await client.connect({ port, deflate: false })
  }
}

function sleep (ms) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}

/** The same chance for every peer (mulberry32). */
function random (seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
