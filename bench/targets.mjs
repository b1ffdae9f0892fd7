/**
 * Compares a scenario's figures with its targets. A target is `{figure, peer, most | least}`, a ratio to that peer of the
 * scenario's first peer or of the one named by `of`; or `{of, figure, mostValue | leastValue, unit}`, the figure itself.
 *
 * @param {Record<string, object>} summaries the medians of each peer that ran
 */
export function judge ({ targets, peers: [first] }, summaries) {
  return targets.map(({ of = first, figure, peer, most, least, mostValue, leastValue, unit }) => {
    const own = summaries[of]?.[figure]
    const isRatio = mostValue === undefined && leastValue === undefined
    const value = isRatio ? own / summaries[peer]?.[figure] : own
    const isLeast = least !== undefined || leastValue !== undefined
    const limit = most ?? least ?? mostValue ?? leastValue
    const isMet = Number.isFinite(value) ? (isLeast ? value >= limit : value <= limit) : null
    const text = isRatio
      ? `${figure} of ${of} / ${peer}`
      : `${figure} of ${of} in ${unit}`
    return { text, value: Number.isFinite(value) ? value : null, bound: `${isLeast ? '≥' : '≤'} ${limit}`, isMet }
  })
}
