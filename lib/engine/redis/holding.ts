import type { Retention } from '../engine.js'

interface Entry { bytes: number, offset: number, expiresAt: number }

/** Messages of one client, published by this node, in one history. */
export class Holding {
  bytes = 0
  /** Whether messages of others are before them, as far as known, or Redis is being asked: it is not asked again. */
  isStuck = false
  readonly #entries: Entry[] = []

  add (bytes: number, offset: number, { size, ttlMs }: Retention): void {
    this.#entries.push({ bytes, offset, expiresAt: performance.now() + ttlMs })
    this.bytes += bytes
    // The history keeps so many, whoever sent them.
    this.dropBefore(offset - size + 1)
  }

  /** Offset of the message with which so many bytes have gone, from the oldest on. */
  offsetFor (bytes: number): number {
    let index = 0
    for (let left = bytes - this.#entries[0]!.bytes; left > 0 && index < this.#entries.length - 1; left -= this.#entries[++index]!.bytes);
    return this.#entries[index]!.offset
  }

  /** The history has nothing before that offset any more. */
  dropBefore (first: number): void {
    while (this.#entries.length > 0 && this.#entries[0]!.offset < first) this.#shift()
  }

  expire (now: number): void {
    while (this.#entries.length > 0 && this.#entries[0]!.expiresAt <= now) this.#shift()
  }

  #shift (): void {
    this.bytes -= this.#entries.shift()!.bytes
  }
}
