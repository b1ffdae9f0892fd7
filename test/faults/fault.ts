import { appendFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { missingNow } from '../fixtures/until.js'
import type { Deployment } from './deployment.js'
import { Load, type LoadReport, type LoadSettings } from './load.js'

/** What a row of the table says. Where a fault is run several times, the largest of each figure counts. */
export type Figures = Record<string, number>

/** `npm run test:faults` sets them; without, it is the short form. */
const { FAULTS_RESULTS: results, FAULTS_ONLY: only = '', FAULTS_REPEAT: repeat = '1' } = process.env

/** One of two figures, by the length of the run. */
export function lengthy<T> (long: T, short: T): T {
  return results === undefined ? short : long
}

/** How much longer than it should a fault may take: it then ends with what is missing. */
const PATIENCE_MS = lengthy(180_000, 60_000)

export interface FaultOptions {
  /** How long the fault takes, milliseconds; default two minutes. */
  nominalMs?: number
}

/** A fault, and what must hold. It is run as often as was asked for, and its figures are kept for the table. */
export function fault (name: string, run: (t: Test) => Promise<Figures>, { nominalMs = lengthy(120_000, 30_000) }: FaultOptions = {}): void {
  if (!only.split(',').some((part) => name.includes(part))) return
  for (let round = 1; round <= Number(repeat); round++) {
    t.test(name, async (t) => {
      // A row that ends by an error is one of the table, too.
      let figures: Figures = {}
      try {
        figures = await inTime(run(t), nominalMs + PATIENCE_MS)
      } catch (error) {
        t.fail((error as Error).message, { stack: (error as Error).stack })
      }
      t.comment(JSON.stringify(figures))
      if (results !== undefined) await appendFile(results, JSON.stringify({ name, figures, isGreen: t.passing() }) + '\n')
    })
  }
}

/** The same for what takes too long for `npm test`. */
export const lengthyFault: typeof fault = (...args) => { if (results !== undefined) fault(...args) }

async function inTime<T> (result: Promise<T>, ms: number): Promise<T> {
  const deadline = new AbortController()
  const late = setTimeout(ms, null, { signal: deadline.signal }).then(async () => {
    throw new Error(`Not over after ${ms} ms; missing: ${(await missingNow()).join('; ')}`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([result, late])
  } finally {
    deadline.abort()
  }
}

/** What holds in every run, whatever happens. */
const NOTHING_WRONG = { silentlyLost: 0, duplicated: 0, reordered: 0, falselyRecovered: 0, strays: 0, falselyAcked: 0, wrongPresence: 0 }

export interface UnderLoadOptions {
  /** True if nothing may be lost at all, not even with an announcement; default true. */
  isLossless?: boolean
  /** True if some of the clients come and go all the time; default false. */
  isChurning?: boolean
  /** How much goes on, where not as much as in the other rows. */
  settings?: Partial<LoadSettings>
}

/** Does something to a deployment under load. */
export async function underLoad (t: Test, deployment: Deployment, act: (load: Load) => Promise<void>, { isLossless = true, isChurning = false, settings = {} }: UnderLoadOptions = {}): Promise<Figures> {
  const report = await loadReport(deployment, async (load) => {
    if (isChurning) load.crowd.churn()
    await act(load)
  }, settings)
  for (const example of report.examples) t.comment(example)
  t.match(report, { ...NOTHING_WRONG, ...isLossless && { lost: 0, repeated: 0 } })
  t.ok(report.repeated <= report.delivered / 100, 'hardly anything was published once more')
  t.ok(report.delivered > report.published, 'enough has happened')
  return figuresOf(report)
}

/** Tells whether every call settled in time. Where the machine is busy with something else its timers, and then its answer, are late. */
export function settledInTime ({ slowestMs, delayMs }: Figures): boolean {
  return slowestMs! <= 2_000 + 2 * delayMs!
}

/** Tells whether hardly anybody who came back was told that messages may be missing: to announce is no substitute for recovering. */
export function nearlyAllRecovered (t: Test, { returning, unrecovered }: Figures): void {
  t.ok(returning! > 0 && unrecovered! <= returning! / 100, `of ${returning} streams ${unrecovered} were not recovered`)
}

/** The same as `underLoad`, without a judgement. */
export async function loadReport (deployment: Deployment, act: (load: Load) => Promise<void>, settings: Partial<LoadSettings> = {}): Promise<LoadReport> {
  const load = new Load(deployment, { ...lengthy({ sockets: 1_500, rate: 500 }, { sockets: 90, rate: 100 }), ...settings })
  try {
    await load.start()
    await act(load)
    return await load.end()
  } finally {
    load.close()
  }
}

function figuresOf (report: LoadReport): Figures {
  const { published, uncertain, refused, delivered, lost, silentlyLost, duplicated, repeated, reordered, falselyRecovered, returning, unrecovered, wrongPresence, slowestMs, delayMs } = report
  const figures = { published, uncertain, refused, delivered, lost, silentlyLost, duplicated, repeated, reordered, slowestMs: Math.round(slowestMs), delayMs: Math.round(delayMs) }
  return returning === 0 ? figures : { ...figures, falselyRecovered, returning, unrecovered, wrongPresence }
}
