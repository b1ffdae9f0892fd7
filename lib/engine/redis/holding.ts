import type { Retention } from '../engine.js'

interface Entry { bytes: number, offset: number, expiresAt: number }

/** Messages of one client, published by this node, in one history. */
export class Holding {
  bytes = 0
  /** True if messages of others precede them, as far as known, or a request to Redis is pending: no further request is made then. */
  isStuck = false
  readonly #entries: Entry[] = []

  add (bytes: number, offset: number, { size, ttlMs }: Retention): void {
    this.#entries.push({ bytes, offset, expiresAt: performance.now() + ttlMs })
    this.bytes += bytes
    // The history keeps that many, whoever sent them.
    this.dropBefore(offset - size + 1)
  }

  /** Offset of the message with which that many bytes are gone, counted from the oldest. */
  offsetFor (bytes: number): number {
    let index = 0
    for (let left = bytes - this.#entries[0]!.bytes; left > 0 && index < this.#entries.length - 1; left -= this.#entries[++index]!.bytes);
    return this.#entries[index]!.offset
  }

  /** Drops entries that the history no longer has. */
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
