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

/**
 * By what factor one series is above another that was measured in turns with it: Hodges and Lehmann's estimate from the
 * ratio of each round, and the exact 95 % interval that belongs to Wilcoxon's signed-rank test. It takes for granted that
 * the logarithms of the ratios scatter symmetrically, as they do where only a factor divides two series that were measured
 * alike; not that they are normal. A round in which the machine was busy counts as one round, however much it is off.
 *
 * @returns {{ estimate: number, low: number, high: number } | null} null: less than six rounds, or values that have no ratio
 */
export function ratioInterval (ours, theirs) {
  const logs = ours.map((value, round) => Math.log(value / theirs[round]))
  const skipped = outside(logs.length)
  if (skipped === null || !logs.every(Number.isFinite)) return null
  const averages = logs.flatMap((one, index) => logs.slice(index).map((other) => (one + other) / 2)).sort((a, b) => a - b)
  return { estimate: Math.exp(median(averages)), low: Math.exp(averages[skipped]), high: Math.exp(averages.at(-1 - skipped)) }
}

/** How many of the sorted averages of pairs lie below the interval, and as many above; null: not even one may. */
function outside (count) {
  // By how many of the 2^count sets of ranks each sum is reached.
  const ways = [1]
  for (let rank = 1; rank <= count; rank++) {
    for (let sum = ways.length - 1 + rank; sum >= rank; sum--) ways[sum] = (ways[sum] ?? 0) + (ways[sum - rank] ?? 0)
  }
  let sum = -1
  for (let share = 0; share <= 0.025; share += ways[sum] / 2 ** count) sum++
  return sum === 0 ? null : sum - 1
}

function flat ({ latency, ...figures }) {
  return { ...figures, p50: latency?.p50, p99: latency?.p99, max: latency?.max }
}
