import type { Engine, Position } from '../../lib/engine/engine.js'
import type { Accepted } from './world.js'

/** Somebody who reads one stream, on one node or another, with pauses. */
export class Reader {
  readonly topic: string
  engine: Engine | null = null
  isThere = false
  #position: Position | null = null
  /** From where on nothing may be missing: what is behind this position, or was accepted later than that many others. */
  #base: { position: Position, count: number } | null = null
  readonly #got = new Set<number>()

  constructor (topic: string) {
    this.topic = topic
  }

  /**
   * Comes in with what it has.
   *
   * @param accepted what was accepted in the stream
   * @returns whether it was told that nothing is missing; null: it has not asked for anything
   */
  async enter (engine: Engine, accepted: readonly Accepted[]): Promise<boolean | null> {
    this.engine = engine
    const before = await engine.subscribe(this.topic)
    if (this.#position === null) {
      this.#start(before, accepted)
      return null
    }
    const page = await engine.history(this.topic, this.#position, 1_000)
    this.isThere = true
    if (!page.isComplete) {
      this.#start(page.top, accepted)
      return false
    }
    for (const { json, position } of page.entries) this.receive(JSON.parse(json).n, position!)
    this.#position = page.entries.at(-1)?.position ?? page.from
    const missing = this.missing(accepted)
    if (missing.length > 0) throw new Error(`${this.topic}: "recovered" at ${JSON.stringify(page)}, without ${JSON.stringify(missing)}`)
    return true
  }

  async leave (): Promise<void> {
    this.isThere = false
  }

  receive (n: number, position: Position): void {
    this.#got.add(n)
    this.#position = position
  }

  /** It was told that something may be missing. */
  break (position: Position, accepted: readonly Accepted[]): void {
    this.#start(position, accepted)
  }

  /** What it should have and has not. */
  missing (accepted: readonly Accepted[]): Accepted[] {
    const { position, count } = this.#base!
    const isBehind = (other: Position) => other.epoch === position.epoch && other.offset > position.offset
    return accepted.filter((one, at) => (at >= count || isBehind(one.position)) && !this.#got.has(one.n))
  }

  #start (position: Position, accepted: readonly Accepted[]): void {
    this.#position = position
    this.#base = { position, count: accepted.length }
    this.isThere = true
  }
}
