import { unavailable } from './deadline.js'

interface Waiting<Item, Result> {
  item: Item
  since: number
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

const MAX_ITEMS = 256
const MAX_BYTES = 1_048_576

/** Runs a batch: returns a result for each item, or the error of that item. */
export type RunBatch<Item, Result> = (items: Item[], leftMs: number, lane: string) => Promise<(Result | Error)[]>

/**
 * Collects items within a tick and while the previous batch is in flight. A lane has one batch in flight at a time, so a batch
 * that is retried after a fault still precedes later ones.
 */
export class Batches<Item, Result> {
  readonly #run: RunBatch<Item, Result>
  readonly #timeoutMs: number
  readonly #sizeOf: (item: Item) => number
  readonly #lanes = new Map<string, Waiting<Item, Result>[]>()

  constructor (timeoutMs: number, run: RunBatch<Item, Result>, sizeOf: (item: Item) => number = () => 0) {
    this.#timeoutMs = timeoutMs
    this.#run = run
    this.#sizeOf = sizeOf
  }

  /** Settles within the time-out of calls. */
  push (lane: string, item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting = { item, since: performance.now(), resolve, reject }
      const queue = this.#lanes.get(lane)
      if (queue !== undefined) {
        queue.push(waiting)
        return
      }
      this.#lanes.set(lane, [waiting])
      setImmediate(() => this.#drain(lane))
    })
  }

  /** Returns true while items of a lane wait for the previous batch. */
  isWaiting (lane: string): boolean {
    return (this.#lanes.get(lane)?.length ?? 0) > 0
  }

  async #drain (lane: string): Promise<void> {
    const queue = this.#lanes.get(lane)!
    while (queue.length > 0) {
      const batch = queue.splice(0, this.#countOf(queue))
      const leftMs = this.#timeoutMs - (performance.now() - batch[0]!.since)
      try {
        if (leftMs <= 0) throw unavailable('earlier calls took too long')
        const results = await this.#run(batch.map(({ item }) => item), leftMs, lane)
        batch.forEach(({ resolve, reject }, i) => {
          const result = results[i]!
          if (result instanceof Error) reject(result)
          else resolve(result)
        })
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#lanes.delete(lane)
  }

  #countOf (queue: Waiting<Item, Result>[]): number {
    let bytes = 0
    let count = 0
    while (count < queue.length && count < MAX_ITEMS && bytes < MAX_BYTES) bytes += this.#sizeOf(queue[count++]!.item)
    return count
  }
}
