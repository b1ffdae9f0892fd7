import type { Delivery, HistoryPage, Position } from '../engine.js'

export interface FeedEvents {
  read: (since: Position) => Promise<HistoryPage>
  deliver: (delivery: Delivery) => void
  break: (position: Position) => void
  fail: (error: unknown) => void
}

/** How many messages wait while something before them is fetched; those that are in the history need not. */
const MAX_HELD = 1_000

/** What a subscribed topic delivers, in order: what was lost on the way comes from the history, before anything later. */
export class Feed {
  readonly #events: FeedEvents
  /** Of the latest delivery; null before it is known where deliveries begin. */
  #position: Position | null = null
  #held: Delivery[] = []
  #isFilling = false
  #isClosed = false
  /** Whether nothing has come since the last check. */
  isIdle = true

  constructor (events: FeedEvents) {
    this.#events = events
  }

  get position (): Position | null {
    return this.#position
  }

  /** Goes live behind a position, with what has come by now. */
  start (position: Position): void {
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

  /** Compares with where the stream is; what is missing is fetched. */
  check ({ epoch, offset }: Position): void {
    if (this.#position !== null && (epoch !== this.#position.epoch || offset !== this.#position.offset)) this.fill()
  }

  close (): void {
    this.#isClosed = true
    this.#held = []
  }

  /** Brings the feed to the end of the stream. Where that fails, it stays behind until the next check. */
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
      // A stream that had not begun may have done so in another epoch than the one that this feed knew.
      if (page.isComplete) this.#position = page.from
      const { entries, top } = page.isComplete ? page : await this.#break(page.top)
      if (this.#isClosed) return
      for (const entry of entries) this.#next(entry)
      const { epoch, offset } = this.#position!
      if (epoch === top.epoch && offset >= top.offset && this.#release()) this.#isFilling = false
    }
  }

  /** What is missing cannot be had. A stream that has begun anew goes on with its beginning, any other one with what comes next. */
  async #break (top: Position): Promise<HistoryPage> {
    const beginning = { epoch: top.epoch, offset: 0 }
    let page: HistoryPage = { entries: [], isComplete: false, from: top, top }
    if (top.epoch !== this.#position!.epoch) page = await this.#events.read(beginning)
    this.#position = page.isComplete ? beginning : page.top
    if (!this.#isClosed) this.#events.break(this.#position)
    return page
  }

  /** Delivers what is next, and drops what was delivered already. False: something is missing before it. */
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

  /** Delivers what was held. False: something is missing; what cannot be placed is dropped, as the history has it. */
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
