/*
 * `npm run bench`: runs the scenarios and compares the figures with the targets. It ends with 1 where a socket missed a
 * message or got it out of order, or a process failed, and where today's build has lost against an earlier one; a target
 * that is not met is a figure like any other.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { USAGE, parseArguments } from './arguments.mjs'
import { Bench } from './bench.mjs'
import { buildCommit } from './commit-build.mjs'
import { compare } from './comparison.mjs'
import { prepare } from './installation.mjs'
import { describeMachine } from './machine.mjs'
import { showProfiles } from './profile.mjs'
import { showLosses, showMachine, showScenario } from './report.mjs'
import { summarize } from './statistics.mjs'
import { judge } from './targets.mjs'

let options
try {
  options = parseArguments(process.argv.slice(2))
} catch (error) {
  console.error(`${error.message}\n\n${USAGE}`)
  process.exit(2)
}
if (options.isHelp) {
  console.log(USAGE)
  process.exit(0)
}
if (process.platform !== 'linux') {
  console.error('The figures are read from /proc: this runs on Linux only.')
  process.exit(2)
}
prepare()
const against = options.against === null ? null : buildCommit(options.against)

const machine = describeMachine()
console.log(showMachine(machine))
const results = {}
for (const scenario of options.scenarios) {
  const result = await measure(scenario)
  results[scenario.name] = result
  console.log(showScenario(scenario, result, against?.name ?? null))
  if (result.profileDirectory !== null) console.log(showProfiles(result.profileDirectory))
  if (options.json !== null) writeFileSync(options.json, JSON.stringify({ machine, rounds: options.rounds, seconds: options.seconds, against: against?.name ?? null, scenarios: results }, null, 2))
}
showVerdict()

async function measure (scenario) {
  const profileDirectory = options.isProfiled
    ? fileURLToPath(new URL(`profiles/${scenario.name}-${Date.now()}`, import.meta.url))
    : null
  if (profileDirectory !== null) mkdirSync(profileDirectory, { recursive: true })
  const others = scenario.peers.filter((name) => options.peers.has(name))
  const peers = scenario.isOwnOnly ? scenario.peers : against === null ? others : others.toSpliced(1, 0, against.name)
  const bench = new Bench({ ...options, against, profileDirectory })
  let rounds = {}
  let error = null
  try {
    rounds = await scenario.run(bench, peers)
  } catch (reason) {
    error = reason.message
  } finally {
    await bench.close()
  }
  const summaries = Object.fromEntries(Object.entries(rounds).map(([peer, list]) => [peer, summarize(list)]))
  const faults = Object.entries(rounds).flatMap(([peer, list]) => list
    .map(({ isFaulty, faults, losses }, round) => ({ peer, round, isFaulty, faults, losses }))
    .filter(({ isFaulty }) => isFaulty === true))
  const comparison = against === null ? [] : compare(scenario, rounds, against.name)
  return { title: scenario.title, summaries, targets: judge(scenario, summaries), comparison, faults, error, profileDirectory, rounds }
}

function showVerdict () {
  const all = Object.values(results)
  const targets = all.flatMap((result) => result.targets).filter(({ isMet }) => isMet !== null)
  console.log(targets.length === 0 ? '' : `\n${targets.filter(({ isMet }) => isMet).length} of ${targets.length} targets met`)
  if (against !== null) {
    const judged = Object.entries(results).flatMap(([scenario, { comparison }]) => comparison
      .filter(({ verdict }) => verdict !== null).map((figure) => ({ scenario, ...figure })))
    const losses = judged.filter(({ verdict }) => verdict === 'LOSS')
    console.log(judged.length === 0 ? `Nothing is known against ${against.name}: an interval takes six rounds` : showLosses(losses, against.name))
    if (losses.length > 0) process.exitCode = 1
  }
  const failed = Object.keys(results).filter((name) => results[name].error !== null || results[name].faults.length > 0)
  if (failed.length === 0) return
  console.log(`FAILED, whatever the figures say: ${failed.join(', ')}. See above for the sockets that missed something or got it out of order.`)
  process.exitCode = 1
}
