import { parseArgs } from 'node:util'
import { OURS, peers } from './peers/index.mjs'
import { scenarios } from './scenarios/index.mjs'

const onDemand = Object.keys(scenarios).filter((name) => scenarios[name].isOnDemand === true).join(', ')

export const USAGE = `npm run bench -- [scenario…] [options]

  scenarios          ${Object.keys(scenarios).join(' ')}; where none is named, all but ${onDemand}
  --against COMMIT   compare with a build of that commit, in turns with today's; the other peers only where --peers names them
  --rounds N         measured rounds of each peer, in turns (5; with --against 15)
  --seconds N        how long a round takes (2)
  --peers a,b        of ${Object.keys(peers).slice(1).join(', ')}; ${OURS} is always there
  --json FILE        write everything that was measured
  --quick            one round of a second, fewer sockets where they are idle: to see that it works
  --cpu-prof         profile ${OURS} and show what its time goes to; its figures are then not comparable
`

/** @throws Error that says what is wrong */
export function parseArguments (args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      against: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      peers: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      'cpu-prof': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  const isCompared = values.against !== undefined
  const chosenPeers = values.peers?.split(',') ?? (isCompared ? [] : Object.keys(peers))
  return {
    isHelp: values.help,
    scenarios: known(positionals.length === 0 ? Object.keys(scenarios).filter((name) => scenarios[name].isOnDemand !== true) : positionals, scenarios, 'scenario').map((name) => scenarios[name]),
    peers: new Set([OURS, ...known(chosenPeers, peers, 'peer')]),
    against: values.against ?? null,
    rounds: positive(values.rounds ?? (values.quick ? 1 : isCompared ? 15 : 5), 'rounds'),
    seconds: positive(values.seconds ?? (values.quick ? 1 : 2), 'seconds'),
    isQuick: values.quick,
    isProfiled: values['cpu-prof'],
    json: values.json ?? null
  }
}

function known (names, all, what) {
  for (const name of names) if (!(name in all)) throw new Error(`There is no ${what} ${name}; there are ${Object.keys(all).join(', ')}`)
  return names
}

function positive (text, name) {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} must be a positive number`)
  return value
}
