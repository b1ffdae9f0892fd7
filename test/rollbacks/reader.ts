import type { Engine, StreamPosition } from '../../lib/engine/engine.js'
import type { Accepted } from './world.js'

/** Somebody who reads one stream, on one node or another, with pauses. */
export class Reader {
  readonly topic: string
  engine: Engine | null = null
  isThere = false
  #position: StreamPosition | null = null
  /** From where on nothing may be missing: what is behind this position, and whose publication began later. */
  #base: { position: StreamPosition, at: number } | null = null
  readonly #got = new Set<number>()
  /** What came while it was coming in; null when it is not. */
  #held: (() => void)[] | null = null

  constructor (topic: string) {
    this.topic = topic
  }

  /** Tells whether what is delivered on a node is for it. */
  listensTo (engine: Engine): boolean {
    return this.engine === engine && (this.isThere || this.#held !== null)
  }

  /**
   * Comes in with what it has.
   *
   * @param accepted what was accepted in the stream
   * @returns whether it was told that nothing is missing; null: it has not asked for anything
   */
  async enter (engine: Engine, accepted: readonly Accepted[]): Promise<boolean | null> {
    this.engine = engine
    this.#held = []
    try {
      const isRecovered = await this.#comeIn(engine, accepted)
      this.isThere = true
      return isRecovered
    } finally {
      const held = this.#held
      this.#held = null
      if (this.isThere) for (const happen of held) happen()
    }
  }

  leave (): void {
    this.isThere = false
  }

  receive (n: number, position: StreamPosition): void {
    if (this.#held !== null) {
      this.#held.push(() => this.receive(n, position))
      return
    }
    const { epoch, offset } = this.#position!
    if (position.epoch === epoch && position.offset <= offset) return
    this.#got.add(n)
    this.#position = position
  }

  /** It was told that something may be missing. */
  break (position: StreamPosition): void {
    if (this.#held === null) this.#start(position)
    else this.#held.push(() => this.break(position))
  }

  /** Messages that it should have and has not. */
  missing (accepted: readonly Accepted[]): Accepted[] {
    const base = this.#base!
    const isDue = ({ position, begunAt }: Accepted) =>
      position.epoch === base.position.epoch ? position.offset > base.position.offset : begunAt >= base.at
    return accepted.filter((one) => isDue(one) && !this.#got.has(one.n))
  }

  /** Its state, for a message. */
  toJSON () {
    return { topic: this.topic, position: this.#position, base: this.#base, got: [...this.#got], node: this.engine?.cluster.nodeId }
  }

  async #comeIn (engine: Engine, accepted: readonly Accepted[]): Promise<boolean | null> {
    const begins = await engine.subscribe(this.topic)
    if (this.#position === null) {
      this.#start(begins)
      return null
    }
    // What is accepted meanwhile comes as a delivery.
    const due = [...accepted]
    const page = await engine.history(this.topic, this.#position, 1_000)
    if (!page.isComplete) {
      this.#start(page.top)
      return false
    }
    this.#position = page.entries.at(-1)?.position ?? page.from
    for (const { json } of page.entries) this.#got.add(JSON.parse(json).n)
    const missing = this.missing(due)
    if (missing.length > 0) throw new Error(`"recovered", without ${JSON.stringify(missing)}: ${JSON.stringify(this)}`)
    return true
  }

  #start (position: StreamPosition): void {
    this.#position = position
    this.#base = { position, at: performance.now() }
  }
}
