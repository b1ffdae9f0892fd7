/** Before all eras: everything that such a node had seen is seen by others. */
const LEFT = 0

/**
 * The other nodes that a node knows of, so that it is known who must be asked, and who cannot be asked any more.
 *
 * What a node saw before it died is seen by others too, once they have seen something later: time is counted in eras, one
 * for each renewal of the lease, and what is seen two eras after a death is later for certain.
 */
export class Peers {
  readonly #self: string
  readonly #alive = new Set<string>()
  /** In which era it was noticed, and when. */
  readonly #gone = new Map<string, { era: number, at: number }>()
  readonly #forgetMs: number
  era = 2

  /** @param forgetMs how long nothing that a node has seen matters any more */
  constructor (self: string, forgetMs: number) {
    this.#self = self
    this.#forgetMs = forgetMs
  }

  get alive (): ReadonlySet<string> {
    return this.#alive
  }

  /** Whether a node has died of late, with what it alone knew. */
  get hasDied (): boolean {
    return [...this.#gone.values()].some(({ era }) => era !== LEFT)
  }

  /** A node was heard of. One that has left does not come back, whatever Redis has kept of it. */
  heard (id: string): void {
    if (id === this.#self || this.#gone.get(id)?.era === LEFT) return
    this.#alive.add(id)
    this.#gone.delete(id)
  }

  /** A node has said what it had seen, and has gone. */
  left (id: string): void {
    this.#alive.delete(id)
    this.#gone.set(id, { era: LEFT, at: performance.now() })
  }

  /** Before the lease is renewed. */
  renewing (): void {
    this.era++
  }

  /**
   * Who has a lease.
   *
   * @param isCertain whether the others would have one if they were there: Redis may have been away, or have lost them
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

  /** Of the nodes that are gone, those whose sightings are covered by one of that era, and those whose are not. */
  gone (era: number): { covered: string[], uncovered: string[] } {
    const covered: string[] = []
    const uncovered: string[] = []
    for (const [id, death] of this.#gone) (era > death.era + 1 ? covered : uncovered).push(id)
    return { covered, uncovered }
  }
}
