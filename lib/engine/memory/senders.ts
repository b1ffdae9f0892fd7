import { Sender } from './stream.js'

/** Clients that hold messages or streams. */
export class Senders {
  readonly #senders = new Map<string, Sender>()

  /** Returns the sender of that name; created if missing. */
  of (name: string): Sender {
    let sender = this.#senders.get(name)
    if (sender === undefined) this.#senders.set(name, sender = new Sender(name))
    return sender
  }

  /** Drops a reference, and with the last one the sender. */
  release (sender: Sender): void {
    if (--sender.references === 0) this.#senders.delete(sender.name)
  }

  /** Largest holders first. */
  byBytes (): Sender[] {
    return [...this.#senders.values()].sort((a, b) => b.bytes - a.bytes)
  }

  /** Most streams first. */
  byStreams (): Sender[] {
    return [...this.#senders.values()].sort((a, b) => b.begun.size - a.begun.size)
  }

  clear (): void {
    this.#senders.clear()
  }
}
