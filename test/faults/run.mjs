/*
 * The faults of `npm test` at their full size, and the table of docs/FAULTS.md:
 *
 *   npm run test:faults -- [--only <part of a name>] [--repeat <times, default 3>]
 *
 * REDIS_SERVER=valkey-server in the environment runs them on another server; the table names it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values: { only, repeat } } = parseArgs({ options: { only: { type: 'string', default: '' }, repeat: { type: 'string', default: '3' } } })
const folder = await mkdtemp(join(tmpdir(), 'faults-'))
const results = join(folder, 'results')
const tap = spawn('npx', [
  'tap', '--disable-coverage', '--allow-incomplete-coverage', '--jobs=1', '--timeout=7200', '--reporter=tap',
  ...['redis', 'rollback', 'sentinel', 'cluster', 'slots', 'limits', 'nodes', 'clocks', 'clock-skew', 'leases', 'questions', 'control'].map((name) => `dist/test/faults/${name}.test.js`)
], { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, FAULTS_RESULTS: results, FAULTS_ONLY: only, FAULTS_REPEAT: repeat } })
const [code] = await once(tap, 'exit')
const lines = await readFile(results, 'utf8').then((text) => text.trim().split('\n').map((line) => JSON.parse(line)), () => [])
await rm(folder, { recursive: true })
console.log(table(lines))
process.exitCode = code

/** A row for each fault: its worst run, figure by figure. */
function table (lines) {
  const byName = groupByName(lines)
  const rows = [...byName].map(([name, runs]) => {
    const worst = {}
    for (const { figures } of runs) for (const [key, value] of Object.entries(figures)) worst[key] = Math.max(worst[key] ?? 0, value)
    const { published = '', delivered = '', uncertain = '', lost = '', silentlyLost = '', duplicated = '', reordered = '', slowestMs = '', delayMs, refused, ...others } = worst
    const rest = Object.entries(others).map(([key, value]) => `${key} ${value}`).join(', ')
    const cells = [name, runs.length, published, delivered, uncertain, lost, silentlyLost, duplicated, reordered, slowestMs, rest]
    return `| ${cells.join(' | ')} |${runs.every(({ isGreen }) => isGreen) ? '' : ' **failed**'}`
  })
  const { REDIS_SERVER: program = 'redis-server' } = process.env
  const version = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.match(/v=(\S+)/)[1]
  return [
    '',
    `${availableParallelism()} cores (${cpus()[0].model.trim()}), Node.js ${process.versions.node}, ${program} ${version}`,
    '',
    '| fault | runs | published | delivered | uncertain | lost | silently lost | twice | out of order | slowest call, ms | besides |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows
  ].join('\n')
}

function groupByName (lines) {
  const byName = new Map()
  for (const line of lines) byName.set(line.name, [...byName.get(line.name) ?? [], line])
  return byName
}
