/**
 * Compares a scenario's figures with its targets. A target is `{figure, peer, most | least}`, a ratio to that peer of the
 * scenario's first peer or of the one named by `of`; or `{of, figure, mostValue, unit}`, the figure itself.
 *
 * @param {Record<string, object>} summaries the medians of each peer that ran
 */
export function judge ({ targets, peers: [first] }, summaries) {
  return targets.map(({ of = first, figure, peer, most, least, mostValue, unit }) => {
    const own = summaries[of]?.[figure]
    const value = mostValue === undefined ? own / summaries[peer]?.[figure] : own
    const limit = most ?? least ?? mostValue
    const isMet = Number.isFinite(value) ? (least === undefined ? value <= limit : value >= limit) : null
    const text = mostValue === undefined
      ? `${figure} of ${of} / ${peer}`
      : `${figure} of ${of} in ${unit}`
    return { text, value: Number.isFinite(value) ? value : null, bound: `${least === undefined ? '≤' : '≥'} ${limit}`, isMet }
  })
}
