import type { Delivery, HistoryPage, StreamPosition } from '../engine.js'

export interface FeedEvents {
  read: (since: StreamPosition) => Promise<HistoryPage>
  deliver: (delivery: Delivery) => void
  break: (position: StreamPosition) => void
  fail: (error: unknown) => void
}

/** Maximum number of held messages while missing ones are fetched; messages in the history need not be held. */
const MAX_HELD = 1_000

/** Delivers a subscribed topic in order: messages lost on the way are fetched from the history before any later one is delivered. */
export class Feed {
  readonly #events: FeedEvents
  /** Position of the latest delivery; null until the start is known. */
  #position: StreamPosition | null = null
  #held: Delivery[] = []
  #isFilling = false
  #isClosed = false
  /** True if nothing has arrived since the last check. */
  isIdle = true

  constructor (events: FeedEvents) {
    this.#events = events
  }

  get position (): StreamPosition | null {
    return this.#position
  }

  /** Starts delivering behind a position, including messages that have already arrived. */
  start (position: StreamPosition): void {
    this.#position = position
    if (!this.#release()) this.fill()
  }

  receive (delivery: Delivery): void {
    this.isIdle = false
    if (this.#position === null || this.#isFilling) this.#hold(delivery)
    else if (!this.#next(delivery)) {
      this.#hold(delivery)
      this.fill()
    }
  }

  /** Compares with the stream's current position, and fetches what is missing. */
  check ({ epoch, offset }: StreamPosition): void {
    if (this.#position !== null && (epoch !== this.#position.epoch || offset !== this.#position.offset)) this.fill()
  }

  close (): void {
    this.#isClosed = true
    this.#held = []
  }

  /** Catches up with the stream. On failure it stays behind until the next check. */
  fill (): void {
    if (this.#isFilling || this.#isClosed) return
    this.#isFilling = true
    this.#readOn().catch((error) => {
      this.#isFilling = false
      this.#events.fail(error)
    })
  }

  async #readOn (): Promise<void> {
    while (this.#isFilling) {
      const page = await this.#events.read(this.#position!)
      // A stream that had not begun may have begun in an epoch other than the feed's.
      if (page.isComplete) this.#position = page.from
      const { entries, top } = page.isComplete ? page : await this.#break(page.top)
      if (this.#isClosed) return
      for (const entry of entries) this.#next(entry)
      const { epoch, offset } = this.#position!
      if (epoch === top.epoch && offset >= top.offset && this.#release()) this.#isFilling = false
    }
  }

  /** Skips an unrecoverable gap. A stream that began anew continues from its beginning, any other with its next message. */
  async #break (top: StreamPosition): Promise<HistoryPage> {
    const beginning = { epoch: top.epoch, offset: 0 }
    let page: HistoryPage = { entries: [], isComplete: false, from: top, top }
    if (top.epoch !== this.#position!.epoch) page = await this.#events.read(beginning)
    this.#position = page.isComplete ? beginning : page.top
    if (!this.#isClosed) this.#events.break(this.#position)
    return page
  }

  /** Delivers the next message, and drops one already delivered. False: messages before it are missing. */
  #next (delivery: Delivery): boolean {
    const { position } = delivery
    if (position !== null) {
      const { epoch, offset } = this.#position!
      if (position.epoch !== epoch || position.offset > offset + 1) return false
      if (position.offset <= offset) return true
      this.#position = position
    }
    if (!this.#isClosed) this.#events.deliver(delivery)
    return true
  }

  #hold (delivery: Delivery): void {
    if (this.#held.length < MAX_HELD) this.#held.push(delivery)
  }

  /** Delivers held messages. False: some are missing; those of another epoch are dropped, since the history has them. */
  #release (): boolean {
    const held = this.#held
    this.#held = []
    for (let i = 0; i < held.length; i++) {
      if (this.#next(held[i]!)) continue
      const isOfThisEpoch = held[i]!.position!.epoch === this.#position!.epoch
      this.#held = [...held.slice(isOfThisEpoch ? i : i + 1), ...this.#held]
      return false
    }
    return true
  }
}
