import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { Answers } from './answers.js'
import type { Deployment } from './deployment.js'
import { lengthy, underLoad, type Figures } from './fault.js'
import type { Load } from './load.js'
import { SpentTickets } from './spent-tickets.js'

export interface Turn {
  /** True if nothing that was accepted may be lost. */
  isLossless: boolean
  /** From here on what is written may be lost. */
  begin?: () => Promise<unknown>
  /** Redis goes back, moves, or is replaced. */
  act: (load: Load) => Promise<unknown>
  /** Looks at what has become of it, as soon as all nodes are ready. */
  after?: (load: Load) => Promise<Figures>
  /** The same when everybody is back, to stay. */
  end?: (load: Load) => Promise<Figures>
}

/** Between two steps. */
const CALM_MS = lengthy(3_000, 300)
const QUESTIONS = lengthy(200, 12)

/** Options of the plugin with which tickets are still good at the end of a run. */
export const LASTING_TICKETS = { auth: { ticketTtlMs: 600_000 } }

/**
 * Does something to the Redis of a deployment while clients are away. Some went before the point to which it may return, some
 * behind it; others stay, or come and go. Questions are answered and tickets used that may be open again afterwards.
 */
export async function whileAway (t: Test, deployment: Deployment, { isLossless, begin, act, after, end }: Turn): Promise<Figures> {
  const [answers, tickets] = [new Answers(t, deployment), new SpentTickets(t, deployment)]
  const extra: Figures = {}
  const figures = await underLoad(t, deployment, async (load) => {
    const { crowd } = load
    await Promise.all([answers.ask(QUESTIONS), answers.listen(), tickets.issue()])
    await setTimeout(CALM_MS)
    crowd.leave(0)
    await begin?.()
    await Promise.all([answers.confirm(), tickets.spend()])
    await setTimeout(CALM_MS)
    crowd.leave(1)
    await setTimeout(CALM_MS)
    const from = performance.now()
    await act(load)
    await deployment.allReady()
    extra.backMs = Math.round(performance.now() - from)
    Object.assign(extra, await after?.(load))
    // Longer than what is lost took: streams get beyond the place from which they went back.
    await setTimeout(3 * CALM_MS)
    await crowd.comeBack()
    Object.assign(extra, await answers.contradict(), await tickets.spendAgain())
    await setTimeout(CALM_MS)
    await crowd.settle()
    Object.assign(extra, await end?.(load))
  }, { isLossless, isChurning: true })
  t.match(extra, { undone: 0, openedTwice: 0 }, 'what was said once is still so')
  return { ...figures, ...extra }
}
