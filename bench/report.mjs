/** The head of the report. */
export function showMachine ({ date, cpu, cores, memoryGb, system, versions }) {
  return `${date.slice(0, 16).replace('T', ' ')} UTC, ${cpu}, ${cores} cores, ${memoryGb} GB, ${system}\n` +
    Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')
}

/**
 * A scenario's figures, how they compare with the targets and with an earlier build, as text.
 *
 * @param {string | null} against the name of the earlier build
 */
export function showScenario ({ name, title, figures }, { summaries, targets, comparison, faults, error }, against) {
  const rows = Object.entries(summaries).map(([peer, summary]) => [peer, ...figures.map((figure) => digits(summary[figure.name]))])
  // In a comparison the others ran only where they were asked for.
  const shownTargets = against === null ? targets : targets.filter(({ isMet }) => isMet !== null)
  const lines = [
    `\n${name}: ${title}`,
    ...table([['', ...figures.map((figure) => figure.title)], ...rows]),
    ...table(shownTargets.map(({ text, value, bound, isMet }) => [`  ${text}`, digits(value), `target ${bound}`, verdict(isMet)])),
    ...comparison.length === 0 ? [] : showComparison(comparison, against),
    ...faults.map(({ peer, round, faults, losses }) => `  FAILED: ${peer}, round ${round + 1}: ${JSON.stringify(faults)} ${losses.join('; ')}`),
    ...error === null ? [] : [`  FAILED: ${error}`]
  ]
  return lines.join('\n')
}

/** The last word of a comparison with an earlier build. */
export function showLosses (losses, against) {
  if (losses.length === 0) return `No loss against ${against}`
  return [`LOSS against ${against}:`, ...losses.map(({ scenario, of, title, ratio }) => `  ${scenario}, ${of}: ${title} ${ratio.estimate.toFixed(3)}, 95 % ${interval(ratio)}`)].join('\n')
}

function showComparison (comparison, against) {
  const head = [`  medians, and ours / ${against}`, 'ours', against, 'ratio', '95 % interval', '']
  const isOfVariants = new Set(comparison.map(({ of }) => of)).size > 1
  return table([head, ...comparison.map(({ of, title, ours, theirs, ratio, verdict }) => [
    `  ${isOfVariants ? `${of}: ` : ''}${title}`, digits(ours), digits(theirs), ratio?.estimate.toFixed(3) ?? '-', interval(ratio), verdict ?? ''
  ])])
}

function interval (ratio) {
  return ratio === null ? '-' : `${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)}`
}

function verdict (isMet) {
  if (isMet === null) return 'not measured'
  return isMet ? 'met' : 'NOT met'
}

function table (rows) {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) => '  ' + row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join('  '))
}

function digits (value) {
  if (value === undefined || value === null || Number.isNaN(value)) return '-'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
}
