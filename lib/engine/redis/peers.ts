/** Before all eras, since the sightings of a node that left are passed on to others. */
const LEFT = 0

/**
 * The other nodes that this node knows of: those to ask, and those that died and cannot be asked.
 *
 * A sighting later than a node's death covers everything that the node saw. Time is counted in eras, one for each renewal of the
 * lease: a sighting two eras after a death was noticed is certainly later.
 */
export class Peers {
  readonly #self: string
  readonly #alive = new Set<string>()
  /** The era in which the death was noticed, and the time. */
  readonly #gone = new Map<string, { era: number, at: number }>()
  readonly #forgetMs: number
  era = 2

  /** @param forgetMs time after a node's death until nothing that it saw matters any more */
  constructor (self: string, forgetMs: number) {
    this.#self = self
    this.#forgetMs = forgetMs
  }

  get alive (): ReadonlySet<string> {
    return this.#alive
  }

  /** A node was heard of. One that has left never comes back, though Redis may still have its lease after a rollback. */
  heard (id: string): void {
    if (id === this.#self || this.#gone.get(id)?.era === LEFT) return
    this.#alive.add(id)
    this.#gone.delete(id)
  }

  /** A node has passed on what it had seen, and left. */
  left (id: string): void {
    this.#alive.delete(id)
    this.#gone.set(id, { era: LEFT, at: performance.now() })
  }

  /** Nodes that died lately, without telling others what they had seen. */
  get dead (): string[] {
    return [...this.#gone].flatMap(([id, { era }]) => era === LEFT ? [] : [id])
  }

  /** Another node knew of a node that has died. */
  died (id: string): void {
    if (!this.#gone.has(id) && !this.#alive.has(id)) this.#gone.set(id, { era: this.era, at: performance.now() })
  }

  /** Begins an era, before the lease is renewed. */
  renewing (): void {
    this.era++
  }

  /**
   * Takes note of the nodes that have a lease.
   *
   * @param isCertain whether a node without one is dead: not where Redis was away, or may have lost leases
   */
  renewed (ids: readonly string[], isCertain: boolean): void {
    const now = performance.now()
    const leased = new Set(ids)
    for (const id of this.#alive) {
      if (!isCertain || leased.has(id)) continue
      this.#alive.delete(id)
      this.#gone.set(id, { era: this.era, at: now })
    }
    for (const id of ids) this.heard(id)
    for (const [id, { at }] of this.#gone) if (now - at > this.#forgetMs) this.#gone.delete(id)
  }

  /** The dead nodes, by whether a sighting of that era covers theirs. */
  gone (era: number): { covered: string[], uncovered: string[] } {
    const covered: string[] = []
    const uncovered: string[] = []
    for (const [id, death] of this.#gone) (era > death.era + 1 ? covered : uncovered).push(id)
    return { covered, uncovered }
  }
}
