import { readFileSync, readdirSync } from 'node:fs'

/** What the CPU profiles of a directory say the time went to, idle time left out. */
export function showProfiles (directory, count = 18) {
  const selfMicros = new Map()
  let total = 0
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'))) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(`${directory}/${file}`, 'utf8'))
    const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
    samples.forEach((id, index) => {
      const name = names.get(id)
      if (name === '(idle)' || name === '(program)') return
      total += timeDeltas[index]
      selfMicros.set(name, (selfMicros.get(name) ?? 0) + timeDeltas[index])
    })
  }
  const top = [...selfMicros].sort(([, a], [, b]) => b - a).slice(0, count)
  return ['  self time of the profiled server', ...top.map(([name, micros]) => `  ${(micros / total * 100).toFixed(1).padStart(5)} %  ${name}`)].join('\n')
}

function nameOf ({ functionName, url, lineNumber }) {
  const name = functionName === '' ? '(anonymous)' : functionName
  return url === '' ? name : `${name} ${url.replace(/^.*\/(?:node_modules|dist)\//, '').replace(/^.*\/bench\//, 'bench/')}:${lineNumber + 1}`
}
