import { setImmediate } from 'node:timers/promises'
import type { Connection } from '../socket/connection.js'
import type { Engine, HistoryPage, Position } from '../engine/engine.js'
import { toMessage } from '../protocol/delivery.js'
import { encodeFrame } from '../socket/message.js'

/** How many messages are read at once; between two such pages other sockets have their turn. */
export const PAGE_SIZE = 100
/** Total size of a page, so that a socket never holds more than this and one message. */
export const PAGE_BOUNDS = { maxBytes: 65_536 } as const

/** What a catch-up needs of the topic on this node. */
export interface LiveTopic {
  readonly name: string
  /** Where the stream is on this node. */
  readonly position: Position
}

/**
 * Brings one connection from a position of a stream to where the stream is now. What is published meanwhile does not reach
 * it by itself: it is in the history, and read from there in its turn, so that there is neither a gap nor a double.
 */
export class CatchUp {
  /** What the connection has; everything behind it is still to come. */
  position: Position
  readonly #engine: Engine
  readonly #topic: LiveTopic
  readonly #connection: Connection
  readonly #goLive: (catchUp: CatchUp) => void
  #isOver = false

  /** @param goLive called in the turn in which nothing is missing any more, unless the connection is gone before */
  constructor (engine: Engine, topic: LiveTopic, connection: Connection, since: Position, goLive: (catchUp: CatchUp) => void) {
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

  /** The connection has left, or begins anew. */
  stop (): void {
    this.#isOver = true
  }

  /** Reads and sends page after page, no faster than the client reads; resolves when it is over. Never rejects. */
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
      // A stream that has not begun is at offset 0 of more than one epoch.
      if (page.top.offset === 0 && live.offset === 0 && live === this.#topic.position) break
      await setImmediate()
    }
    if (this.#isGoing()) this.#goLive(this)
  }

  /** null: the history cannot be reached. */
  async #read (): Promise<HistoryPage | null> {
    try {
      return await this.#engine.history(this.#topic.name, this.position, PAGE_SIZE, PAGE_BOUNDS)
    } catch {
      return null
    }
  }

  /** Waits until the client has read its queue. False: the catch-up has ended. */
  async #isReading (): Promise<boolean> {
    while (this.#isGoing() && this.#connection.isCongested) await this.#connection.drained()
    return this.#isGoing()
  }

  #isGoing (): boolean {
    return !this.#isOver && this.#connection.isOpen
  }

  /** What is missing cannot be had: the client is told, and goes on from here. */
  #skip (): void {
    this.position = this.#topic.position
    this.#connection.send(gapFrame(this.#topic.name, this.position))
    this.#goLive(this)
  }
}

/** Says that messages of a stream may be missing here, and where it goes on. */
export function gapFrame (topic: string, { epoch, offset }: Position) {
  return encodeFrame({ type: 'gap', topic, epoch, offset })
}
