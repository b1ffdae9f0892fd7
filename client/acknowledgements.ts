/** How long a message may come again, with the server's defaults. */
const WINDOW_MS = 360_000

/** The messages with an acknowledgement that the page has handled, so that none is handed over twice. */
export class Acknowledgements {
  /** When each was handled; null: its listeners are at work, or have failed. In order of arrival. */
  readonly #messages = new Map<string, number | null>()
  /** Those of them that came without their stream, whose listeners have not got them. */
  readonly #copies = new Set<string>()

  /** When it was handled; null: its listeners are at work; undefined: it is new. */
  get (id: string): number | null | undefined {
    return this.#messages.get(id)
  }

  begin (id: string, isCopy: boolean): void {
    this.#messages.set(id, null)
    if (isCopy) this.#copies.add(id)
  }

  /** It comes in its stream. Returns whether it had only come without. */
  arrived (id: string): boolean {
    return this.#copies.delete(id)
  }

  /** Nobody listens to it: it may come again. */
  forget (id: string): void {
    this.#messages.delete(id)
    this.#copies.delete(id)
  }

  settle (id: string): void {
    const now = Date.now()
    this.#messages.delete(id)
    this.#messages.set(id, now)
    for (const [id, at] of this.#messages) {
      if (at !== null && now - at < WINDOW_MS) break
      if (at !== null) this.forget(id)
    }
  }

  get snapshot (): [string, number][] {
    return [...this.#messages].filter((entry): entry is [string, number] => entry[1] !== null)
  }

  recall (messages: [string, number][]): void {
    for (const [id, at] of messages) if (Date.now() - at < WINDOW_MS) this.#messages.set(id, at)
  }
}
