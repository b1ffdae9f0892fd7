/** Sampled latencies of one round. */
export class Latencies {
  #micros = []

  add (micros) {
    this.#micros.push(micros)
  }

  /** In milliseconds. */
  summary () {
    const sorted = Float64Array.from(this.#micros).sort()
    const quantile = (q) => sorted.length === 0 ? null : Math.max(0, sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]) / 1000
    return { samples: sorted.length, p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) }
  }
}
