import { Sender } from './stream.js'

/** The clients that hold anything. */
export class Senders {
  readonly #senders = new Map<string, Sender>()

  /** The one of that name, made where there is none. */
  of (name: string): Sender {
    let sender = this.#senders.get(name)
    if (sender === undefined) this.#senders.set(name, sender = new Sender(name))
    return sender
  }

  /** Drops a reference, and the sender with its last one. */
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
