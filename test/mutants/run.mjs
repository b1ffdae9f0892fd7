/*
 * Puts small faults into the build of `lib` and `routes`, one at a time, and looks whether the tests notice:
 *
 *   npm run test:mutants -- [count, default 150] [seed, default another one each time] [--coverage <file>]
 *
 * The faults are a sample of all that `mutations.mjs` makes; the seed that is printed makes the same sample again of the same build. For each
 * the test files run that run the place of the fault, those nearest to it first, until one fails. What none notices is listed; below 95 %
 * the run fails. The faults of `equivalents.mjs` do not count. Which test runs what is found out first, by one run of all; with
 * `--coverage` that is kept in a file, and read from it the next time.
 */
import { existsSync } from 'node:fs'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { random } from '../../dist/test/fixtures/random.js'
import { coverageOf, runs } from './coverage.mjs'
import { equivalents } from './equivalents.mjs'
import { mutationsOf } from './mutations.mjs'
import { Workspace } from './workspace.mjs'

const MIN_KILLED = 0.95
/** Time allowed for a test file that is not known yet. */
const FIRST_TIMEOUT_MS = 120_000
/** Time allowed for a file that was seen to take so long: a fault may make it wait, and other runs are beside it. */
const timeoutOf = (ms) => 15_000 + 5 * ms
/** They need a browser, a package manager or whole deployments, and say nothing of a single line. */
const OTHER_FOLDERS = ['attacks', 'browser', 'docs', 'faults', 'operation', 'package', 'rollbacks', 'soak', 'suites', 'upgrade']
const OTHER_FILES = ['architecture.test.js', ...['checker', 'faults', 'model', 'nodes'].map((name) => `streams/${name}.test.js`), 'routes/http2.test.js']

const { values: { coverage: kept }, positionals: [count = '150', seed = String(1 + Date.now() % 100_000)] } = parseArgs({
  allowPositionals: true, options: { coverage: { type: 'string' } }
})
const project = resolve(import.meta.dirname, '../..')
/** Test files that were seen to pass without a fault after they had failed with one. */
const sound = new Set()
/** Test files that failed without a fault, too, which may be for the load: they are left out until they are tried once more, alone. */
const doubtful = new Set()
/** Test files that failed even alone. */
const broken = new Set()
const workspaces = await Promise.all(Array.from({ length: availableParallelism() }, () => Workspace.make()))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, async () => {
    await removeAll()
    process.exit(1)
  })
}
try {
  process.exitCode = await judge(await sampleOf(Number(count), Number(seed)))
} finally {
  await removeAll()
}

async function judge ({ sample, all }) {
  console.log(`${sample.length} of ${all} faults, seed ${seed}`)
  const covered = await coverage()
  const survivors = new Set()
  const unused = new Set(sample)
  const startedAt = performance.now()
  await inParallel(sample, async (mutant, workspace) => {
    const tests = testsFor(mutant, covered)
    const by = await killerOf(mutant, tests, workspace)
    if (by === null) survivors.add(mutant)
    unused.delete(mutant)
    console.log(`${sample.length - unused.size}: ${describe(mutant)}: ${by === null ? `SURVIVED ${tests.length} test files` : `noticed by ${by}`}`)
  })
  await judgeDoubtful(survivors, covered)
  const killed = sample.length - survivors.size
  const share = killed / sample.length
  console.log(`\n${killed} of ${sample.length} noticed (${(share * 100).toFixed(1)} %), seed ${seed}, ${Math.round((performance.now() - startedAt) / 1_000)} s`)
  for (const mutant of [...survivors].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line)) console.log(`survived: ${describe(mutant)}`)
  for (const test of broken) console.log(`left out, since it fails without a fault even alone: ${test}`)
  return share < MIN_KILLED ? 1 : 0
}

/** Tries each doubtful test file once more, alone, and those that pass on the faults that none has noticed. */
async function judgeDoubtful (survivors, covered) {
  const [workspace] = workspaces
  for (const { test, ms } of covered) {
    if (!isLeftOut(test)) continue
    if (await workspace.run(test, timeoutOf(ms)) === 'passed') sound.add(test)
    else broken.add(test)
  }
  for (const mutant of survivors) {
    const tests = testsFor(mutant, covered).filter(({ test }) => doubtful.has(test) && sound.has(test))
    const by = await killerOf(mutant, tests, workspace)
    if (by === null) continue
    survivors.delete(mutant)
    console.log(`${describe(mutant)}: noticed by ${by}, tried alone`)
  }
}

/** A number of faults out of all; equivalent ones are named, and others drawn in their place. */
async function sampleOf (number, from) {
  const all = []
  for (const folder of ['lib', 'routes']) {
    for (const name of (await readdir(join(project, 'dist', folder), { recursive: true })).filter((name) => name.endsWith('.js')).sort()) {
      const file = `dist/${folder}/${name}`
      const source = await readFile(join(project, file), 'utf8')
      const lines = source.split('\n')
      all.push(...mutationsOf(file, source).map((mutant) => ({ ...mutant, text: lines[mutant.line - 1].trim() })))
    }
  }
  const { int } = random(from)
  const left = [...all]
  const sample = []
  while (sample.length < number && left.length > 0) {
    const [mutant] = left.splice(int(left.length), 1)
    const equivalent = equivalents.find(({ file, line, before, after }) =>
      file === mutant.file && line === mutant.text && before === mutant.before && after === mutant.after)
    if (equivalent === undefined) sample.push(mutant)
    else console.log(`equivalent: ${describe(mutant)}: ${equivalent.reason}`)
  }
  return { sample, all: all.length }
}

/** By test file what it runs, from the kept record where there is one. */
async function coverage () {
  if (kept !== undefined && existsSync(kept)) return JSON.parse(await readFile(kept, 'utf8'))
  const tests = (await readdir(join(project, 'dist/test'), { recursive: true })).filter((name) => name.endsWith('.test.js'))
    .filter((name) => !OTHER_FILES.includes(name) && !OTHER_FOLDERS.includes(name.split('/')[0])).sort()
  const covered = []
  const failed = []
  await inParallel(tests, async (test, workspace) => {
    const one = await coverageOf(test, workspace, FIRST_TIMEOUT_MS)
    if (one === null) failed.push(test)
    else covered.push(one)
  })
  for (const test of failed) {
    const one = await coverageOf(test, workspaces[0], FIRST_TIMEOUT_MS)
    if (one === null) broken.add(test)
    else covered.push(one)
  }
  if (kept !== undefined) await writeFile(kept, JSON.stringify(covered))
  return covered
}

/** Test files that run the place of a fault: the mirror file, those of its folder, then the others, the quick ones first. */
function testsFor ({ file, start }, covered) {
  const path = file.replace(/^dist\/lib\/|^dist\//, '')
  const mirror = path.replace(/\.js$/, '.test.js')
  const subject = basename(path, '.js')
  const distance = ({ test }) => test === mirror ? 0 : basename(test).includes(subject) ? 1 : dirname(test) === dirname(mirror) ? 2 : 3
  return covered.filter((one) => runs(one, file, start))
    .sort((a, b) => distance(a) - distance(b) || a.ms - b.ms)
}

/** The test file that notices; null: none does. One that fails without the fault, too, notices nothing. */
async function killerOf (mutant, tests, workspace) {
  for (;;) {
    const failing = await workspace.with(mutant, () => firstFailing(tests.filter(({ test }) => !isLeftOut(test)), workspace))
    if (failing === null) return null
    const { test, ms, outcome } = failing
    if (!sound.has(test) && await workspace.run(test, timeoutOf(ms)) === 'passed') sound.add(test)
    if (sound.has(test)) return outcome === 'late' ? `${test}, which did not end` : test
    doubtful.add(test)
    console.log(`left out for now, since it fails without a fault: ${test}`)
  }
}

function isLeftOut (test) {
  return doubtful.has(test) && !sound.has(test)
}

async function firstFailing (tests, workspace) {
  for (const { test, ms } of tests) {
    const outcome = await workspace.run(test, timeoutOf(ms))
    if (outcome !== 'passed') return { test, ms, outcome }
  }
  return null
}

async function inParallel (items, work) {
  const left = [...items]
  await Promise.all(workspaces.map(async (workspace) => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item, workspace)
  }))
}

function describe ({ file, line, kind, before, after, text }) {
  const short = (part) => part.replaceAll(/\s+/g, ' ').slice(0, 100)
  return `${file}:${line} ${kind}: ${short(before)} -> ${short(after)} in: ${short(text)}`
}

function removeAll () {
  return Promise.all(workspaces.map((workspace) => workspace.remove()))
}
