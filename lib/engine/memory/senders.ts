import type { Stream } from './stream.js'

/** One client's part of the histories. */
export class Sender {
  readonly name: string
  bytes = 0
  /** Streams whose oldest message is its own, in the order in which they came to be so: nobody else loses anything with that. */
  readonly fronts = new Set<Stream>()
  /** Streams that it alone has published to, in order of use; without those that have members. */
  readonly begun = new Set<Stream>()
  /** Number of messages and streams that refer to it. */
  references = 0

  constructor (name: string) {
    this.name = name
  }
}

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
