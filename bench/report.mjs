/** The head of the report. */
export function showMachine ({ date, cpu, cores, memoryGb, system, versions }) {
  return `${date.slice(0, 16).replace('T', ' ')} UTC, ${cpu}, ${cores} cores, ${memoryGb} GB, ${system}\n` +
    Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')
}

/** A scenario's figures and how they compare with the targets, as text. */
export function showScenario ({ name, title, figures }, { summaries, targets, faults, error }) {
  const rows = Object.entries(summaries).map(([peer, summary]) => [peer, ...figures.map((figure) => digits(summary[figure.name]))])
  const lines = [
    `\n${name}: ${title}`,
    ...table([['', ...figures.map((figure) => figure.title)], ...rows]),
    ...table(targets.map(({ text, value, bound, isMet }) => [`  ${text}`, digits(value), `target ${bound}`, verdict(isMet)])),
    ...faults.map(({ peer, round, faults, losses }) => `  FAILED: ${peer}, round ${round + 1}: ${JSON.stringify(faults)} ${losses.join('; ')}`),
    ...error === null ? [] : [`  FAILED: ${error}`]
  ]
  return lines.join('\n')
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
  if (value === undefined || value === null) return '-'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
}
