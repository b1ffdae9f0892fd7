export function median (values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The median of every figure over a peer's rounds. */
export function summarize (rounds) {
  const summary = {}
  for (const [name, value] of Object.entries(flat(rounds[0]))) {
    if (typeof value === 'number') summary[name] = median(rounds.map((round) => flat(round)[name]))
  }
  return summary
}

function flat ({ latency, ...figures }) {
  return { ...figures, p50: latency?.p50, p99: latency?.p99, max: latency?.max }
}
