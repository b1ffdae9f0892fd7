import { setImmediate } from 'node:timers/promises'
import type { Connection } from '../socket/connection.js'
import type { Engine, HistoryPage, StreamPosition } from '../engine/engine.js'
import { toMessage } from '../protocol/delivery.js'
import { encodeFrame } from '../socket/message.js'

/** Maximum number of messages in a page; other sockets get their turn between two pages. */
export const PAGE_SIZE = 100
/** Maximum size of a page: a socket never holds more than this and one message. */
export const PAGE_BOUNDS = { maxBytes: 65_536 } as const

/** The topic that a connection catches up with. */
export interface LiveTopic {
  readonly name: string
  /** Position of the stream on this node. */
  readonly position: StreamPosition
}

/** The reader of a {@link CatchUp}, and the stream that it reads. */
export interface CatchUpParts {
  engine: Engine
  topic: LiveTopic
  connection: Connection
  /** Position to start from. */
  since: StreamPosition
}

/**
 * Brings one connection from an earlier position of a stream to the current one. Messages published meanwhile are not delivered to it
 * live; it reads them from the history in order, so there are neither gaps nor duplicates.
 */
export class CatchUp {
  /** Position of the last message sent to the connection. */
  position: StreamPosition
  readonly #engine: Engine
  readonly #topic: LiveTopic
  readonly #connection: Connection
  readonly #goLive: (catchUp: CatchUp) => void
  #isOver = false

  /** @param goLive called in the turn in which the connection has caught up, unless it has left or ended before */
  constructor ({ engine, topic, connection, since }: CatchUpParts, goLive: (catchUp: CatchUp) => void) {
    this.#engine = engine
    this.#topic = topic
    this.#connection = connection
    this.#goLive = goLive
    this.position = since
  }

  /** True once it has caught up. A read of the history can be ahead of the deliveries on this node. */
  get isThere (): boolean {
    const { epoch, offset } = this.#topic.position
    return this.position.epoch === epoch && this.position.offset >= offset
  }

  /** Stops the catch-up: the connection has left, or starts another one. */
  stop (): void {
    this.#isOver = true
  }

  /** Sends page after page, no faster than the client reads. Resolves when the catch-up is over; never rejects. */
  async run (): Promise<void> {
    while (await this.#isReading() && !this.isThere) {
      const live = this.#topic.position
      const page = await this.#read()
      if (!this.#isGoing()) return
      if (page === null || !page.isComplete) return this.#skip()
      for (const delivery of page.entries) {
        if (!await this.#isReading()) return
        if (delivery.except?.includes(this.#connection.id) !== true) this.#connection.send(toMessage(delivery))
        this.position = delivery.position!
      }
      // An empty stream can be at offset 0 of several epochs: `isThere` would never be true.
      if (page.top.offset === 0 && live.offset === 0 && live === this.#topic.position) break
      await setImmediate()
    }
    if (this.#isGoing()) this.#goLive(this)
  }

  /** Reads a page; null: the history is unreachable. */
  async #read (): Promise<HistoryPage | null> {
    try {
      return await this.#engine.history(this.#topic.name, this.position, PAGE_SIZE, PAGE_BOUNDS)
    } catch {
      return null
    }
  }

  /** Waits for the client to drain its queue. Resolves to false if the catch-up has ended. */
  async #isReading (): Promise<boolean> {
    while (this.#isGoing() && this.#connection.isCongested) await this.#connection.drained()
    return this.#isGoing()
  }

  #isGoing (): boolean {
    return !this.#isOver && this.#connection.isOpen
  }

  /** Sends a gap frame for messages that the history no longer has, and continues at the current position. */
  #skip (): void {
    this.position = this.#topic.position
    this.#connection.send(gapFrame(this.#topic.name, this.position))
    this.#goLive(this)
  }
}

/** Makes a gap frame: messages may be missing before this position. */
export function gapFrame (topic: string, { epoch, offset }: StreamPosition) {
  return encodeFrame({ type: 'gap', topic, epoch, offset })
}
