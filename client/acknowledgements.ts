/** Time in which the server may send an unacknowledged message again, with its default options. */
const WINDOW_MS = 360_000

/** The messages with an acknowledgement that the page has handled, so that none is handed over twice. */
export class Acknowledgements {
  /** Time at which each was handled (`Date.now()`); 0: its listeners are at work, or have failed. In order of arrival. */
  readonly #messages = new Map<string, number>()
  /** Resent copies: they have no `stream`, so the listeners of the stream have not been called yet. */
  readonly #copies = new Set<string>()

  /** Time at which a message was handled; 0: its listeners are at work, or have failed; undefined: it is new. */
  get (id: string): number | undefined {
    return this.#messages.get(id)
  }

  begin (id: string, isCopy: boolean): void {
    this.#messages.set(id, 0)
    if (isCopy) this.#copies.add(id)
  }

  /** Notes that a message came in its stream. Returns true if only a resent copy had come before. */
  arrived (id: string): boolean {
    return this.#copies.delete(id)
  }

  /** Forgets a message that nobody listens to: it may come again. */
  forget (id: string): void {
    this.#messages.delete(id)
    this.#copies.delete(id)
  }

  settle (id: string): void {
    const now = Date.now()
    this.#messages.delete(id)
    this.#messages.set(id, now)
    for (const [id, at] of this.#messages) {
      if (at && now - at < WINDOW_MS) break
      if (at) this.forget(id)
    }
  }

  get snapshot (): [string, number][] {
    return [...this.#messages]
  }

  /** Those that were not handled may come again. */
  recall (messages: [string, number][]): void {
    for (const [id, at] of messages) if (Date.now() - at < WINDOW_MS) this.#messages.set(id, at)
  }
}
