import { appendFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import type { Deployment } from './deployment.js'
import { Load, type LoadReport } from './load.js'

/** What a row of the table says. Where a fault is run several times, the largest of each figure counts. */
export type Figures = Record<string, number>

/** `npm run test:faults` sets them; without, it is the short form. */
const { FAULTS_RESULTS: results, FAULTS_ONLY: only = '', FAULTS_REPEAT: repeat = '1' } = process.env

/** One of two figures, by the length of the run. */
export function lengthy<T> (long: T, short: T): T {
  return results === undefined ? short : long
}

/** A fault, and what must hold. It is run as often as was asked for, and its figures are kept for the table. */
export function fault (name: string, run: (t: Test) => Promise<Figures>): void {
  if (!only.split(',').some((part) => name.includes(part))) return
  for (let round = 1; round <= Number(repeat); round++) {
    t.test(name, async (t) => {
      const figures = await run(t)
      t.comment(JSON.stringify(figures))
      if (results !== undefined) await appendFile(results, JSON.stringify({ name, figures, isGreen: t.passing() }) + '\n')
    })
  }
}

/** What holds in every run, whatever happens. */
const NOTHING_WRONG = { silentlyLost: 0, duplicated: 0, reordered: 0, falselyRecovered: 0, strays: 0, falselyAcked: 0 }

export interface UnderLoadOptions {
  /** Whether nothing may be lost at all, not even with an announcement; default true. */
  isLossless?: boolean
}

/** Does something to a deployment under load. */
export async function underLoad (t: Test, deployment: Deployment, act: (load: Load) => Promise<void>, { isLossless = true }: UnderLoadOptions = {}): Promise<Figures> {
  const report = await loadReport(deployment, act)
  for (const example of report.examples) t.comment(example)
  t.match(report, { ...NOTHING_WRONG, ...isLossless && { lost: 0 } })
  t.ok(report.delivered > report.published, 'enough has happened')
  return figuresOf(report)
}

/** Whether every call settled in time. Where the machine is busy with something else its timers, and then its answer, are late. */
export function settledInTime ({ slowestMs, delayMs }: Figures): boolean {
  return slowestMs! <= 2_000 + 2 * delayMs!
}

/** The same, without a judgement. */
export async function loadReport (deployment: Deployment, act: (load: Load) => Promise<void>): Promise<LoadReport> {
  const load = new Load(deployment, lengthy({ sockets: 1_500, rate: 500 }, { sockets: 90, rate: 100 }))
  try {
    await load.start()
    await act(load)
    return await load.end()
  } finally {
    load.close()
  }
}

function figuresOf ({ published, uncertain, refused, delivered, lost, silentlyLost, duplicated, reordered, slowestMs, delayMs }: LoadReport): Figures {
  return { published, uncertain, refused, delivered, lost, silentlyLost, duplicated, reordered, slowestMs: Math.round(slowestMs), delayMs: Math.round(delayMs) }
}
