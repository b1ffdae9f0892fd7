/** Before all eras: a node that left has passed its sightings on to others. */
const LEFT_ERA = 0

/**
 * Other nodes known to this one: those to ask, and those that died and cannot be asked.
 *
 * A sighting later than a node's death covers everything that the node saw. Time is counted in eras, one per renewal of the
 * lease: a sighting two eras after a death was noticed is certainly later.
 */
export class Peers {
  readonly #self: string
  readonly #alive = new Set<string>()
  /** Era and time at which the death was noticed. */
  readonly #gone = new Map<string, { era: number, at: number }>()
  readonly #forgetMs: number
  era = 2

  /** @param forgetMs time after a node's death until nothing that it saw matters */
  constructor (self: string, forgetMs: number) {
    this.#self = self
    this.#forgetMs = forgetMs
  }

  get alive (): ReadonlySet<string> {
    return this.#alive
  }

  /** Records a sign of life. A node that left never returns, though Redis may still have its lease after a rollback. */
  heard (id: string): void {
    if (id === this.#self || this.#gone.get(id)?.era === LEFT_ERA) return
    this.#alive.add(id)
    this.#gone.delete(id)
  }

  /** Records that a node has passed on its sightings and left. */
  left (id: string): void {
    this.#alive.delete(id)
    this.#gone.set(id, { era: LEFT_ERA, at: performance.now() })
  }

  /** Nodes that died recently without passing on their sightings. */
  get dead (): string[] {
    return [...this.#gone].flatMap(([id, { era }]) => era === LEFT_ERA ? [] : [id])
  }

  /** Records a dead node that another node knew of. */
  died (id: string): void {
    if (!this.#gone.has(id) && !this.#alive.has(id)) this.#gone.set(id, { era: this.era, at: performance.now() })
  }

  /** Begins an era, before the lease is renewed. */
  renewing (): void {
    this.era++
  }

  /**
   * Records the nodes with a lease.
   *
   * @param isCertain true if a node without a lease is certainly dead; false if Redis was down or may have lost leases
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

  /** Groups the dead nodes by whether a sighting of that era covers theirs. */
  gone (era: number): { covered: string[], uncovered: string[] } {
    const covered: string[] = []
    const uncovered: string[] = []
    for (const [id, death] of this.#gone) (era > death.era + 1 ? covered : uncovered).push(id)
    return { covered, uncovered }
  }
}
