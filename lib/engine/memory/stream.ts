import { randomBytes } from 'node:crypto'
import type { Delivery, StreamPosition } from '../engine.js'

export type StreamDelivery = Delivery & { position: StreamPosition }

export interface Entry {
  delivery: StreamDelivery
  bytes: number
  /** On the clock of `performance.now()`. */
  expiresAt: number
  /** Milliseconds since 1970; never less than that of the preceding entry. */
  publishedAt: number
  /** null: the app. */
  sender: Sender | null
}

/** Owner of a stream: one client, several clients, or the app. */
export type Owner = Sender | 'senders' | 'app'

/** One client's share of the histories. */
export class Sender {
  readonly name: string
  bytes = 0
  /** Streams whose oldest message is its own, in the order in which they became so: evicting those messages affects no other sender. */
  readonly fronts = new Set<Stream>()
  /** Streams without members that only it has published to, in order of use. */
  readonly begun = new Set<Stream>()
  /** Number of messages and streams that refer to it. */
  references = 0

  constructor (name: string) {
    this.name = name
  }
}

/** One stream: its position and its history. */
export class Stream {
  readonly topic: string
  readonly epoch: string
  /** Last assigned offset. */
  offset = 0
  isSubscribed = false
  usedAt = 0
  owner: Owner
  #entries: Entry[] = []
  /** Number of removed entries at the front: removing them one by one would move all others each time. */
  #gone = 0

  constructor (topic: string, epoch: string, owner: Owner) {
    this.topic = topic
    this.epoch = epoch
    this.owner = owner
  }

  get length (): number {
    return this.#entries.length - this.#gone
  }

  /** undefined: the history is empty. */
  get oldest (): Entry | undefined {
    return this.#entries[this.#gone]
  }

  get newest (): Entry | undefined {
    return this.#entries.at(-1)
  }

  get top (): StreamPosition {
    return { epoch: this.epoch, offset: this.offset }
  }

  push (entry: Entry): void {
    this.#entries.push(entry)
  }

  /** Removes the oldest entry. The history must not be empty. */
  shift (): Entry {
    const entry = this.#entries[this.#gone]!
    this.#entries[this.#gone++] = undefined as unknown as Entry
    if (this.#gone * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#gone)
      this.#gone = 0
    }
    return entry
  }

  /** Counts entries from the oldest one on while they match. */
  countWhile (isOne: (entry: Entry) => boolean): number {
    let count = 0
    while (count < this.length && isOne(this.at(count)!)) count++
    return count
  }

  /** Returns the entry at an index counted from the oldest one; undefined past the newest. */
  at (index: number): Entry | undefined {
    return this.#entries[this.#gone + index]
  }
}

export function newEpoch (): string {
  return randomBytes(6).toString('base64url')
}
