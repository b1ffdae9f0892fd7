/** A number of events since the node started. It only grows. */
export class Counter {
  /** Stable name in snake_case, for the status and for metrics. */
  readonly name: string
  readonly description: string
  #value = 0

  constructor (name: string, description: string) {
    this.name = name
    this.description = description
  }

  get value (): number {
    return this.#value
  }

  count (times = 1): void {
    this.#value += times
  }
}
