import { setImmediate } from 'node:timers/promises'
import type { Connection } from '../connection/connection.js'
import type { Engine, HistoryPage, Position } from '../engine/engine.js'
import { toMessage } from '../protocol/delivery.js'
import { encode } from '../protocol/encode.js'

/** How many messages are read at once; between two such pages other sockets have their turn. */
export const PAGE_SIZE = 100

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

  /** The connection has left, or begins anew. */
  stop (): void {
    this.#isOver = true
  }

  /** Sends page after page, no faster than the client reads; resolves when it is over. Never rejects. */
  async run (page: HistoryPage): Promise<void> {
    for (;;) {
      if (!page.isComplete) return this.#skip()
      for (const delivery of page.entries) {
        while (this.#isGoing() && this.#connection.isCongested) await this.#connection.drained()
        if (!this.#isGoing()) return
        if (delivery.except?.includes(this.#connection.id) !== true) this.#connection.send(toMessage(delivery))
        this.position = delivery.position!
      }
      if (this.#isThere()) return this.#goLive(this)
      await setImmediate()
      try {
        page = await this.#engine.history(this.#topic.name, this.position, PAGE_SIZE)
      } catch {
        if (this.#isGoing()) this.#skip()
        return
      }
      if (!this.#isGoing()) return
    }
  }

  #isGoing (): boolean {
    return !this.#isOver && this.#connection.isOpen
  }

  /** A read of the history can be ahead of what was delivered on this node. */
  #isThere (): boolean {
    const { epoch, offset } = this.#topic.position
    return this.position.epoch === epoch && this.position.offset >= offset
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
  return encode({ type: 'gap', topic, epoch, offset })
}
