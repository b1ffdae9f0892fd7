import { randomBytes } from 'node:crypto'
import type { Delivery, Position } from '../engine.js'

export type StreamDelivery = Delivery & { position: Position }

export interface Entry {
  delivery: StreamDelivery
  bytes: number
  /** On the clock of `performance.now()`. */
  expiresAt: number
  /** Milliseconds since 1970; never less than that of the entry before. */
  publishedAt: number
  /** null: the app. */
  sender: Sender | null
}

/** Whose a stream is: one client's, that of several clients, or the app's. */
export type Owner = Sender | 'senders' | 'app'

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

/** One stream: where it is, and what it keeps. */
export class Stream {
  readonly topic: string
  readonly epoch: string
  /** The last one that was given out. */
  offset = 0
  isSubscribed = false
  usedAt = 0
  owner: Owner
  #entries: Entry[] = []
  /** How many at the front are gone already: taking them out one by one would move all the others each time. */
  #gone = 0

  constructor (topic: string, epoch: string, owner: Owner) {
    this.topic = topic
    this.epoch = epoch
    this.owner = owner
  }

  get length (): number {
    return this.#entries.length - this.#gone
  }

  /** undefined: it keeps nothing. */
  get oldest (): Entry | undefined {
    return this.#entries[this.#gone]
  }

  get newest (): Entry | undefined {
    return this.#entries.at(-1)
  }

  get top (): Position {
    return { epoch: this.epoch, offset: this.offset }
  }

  push (entry: Entry): void {
    this.#entries.push(entry)
  }

  /** Takes out the oldest entry, which there must be. */
  shift (): Entry {
    const entry = this.#entries[this.#gone]!
    this.#entries[this.#gone++] = undefined as unknown as Entry
    if (this.#gone * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#gone)
      this.#gone = 0
    }
    return entry
  }

  /** How many entries from the oldest one on are such. */
  countWhile (isOne: (entry: Entry) => boolean): number {
    let count = 0
    while (count < this.length && isOne(this.at(count)!)) count++
    return count
  }

  /** The entry so many behind the oldest one; undefined behind the newest. */
  at (index: number): Entry | undefined {
    return this.#entries[this.#gone + index]
  }
}

export function newEpoch (): string {
  return randomBytes(6).toString('base64url')
}
