import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { UserConfirmation } from '../../lib/index.js'
import { Deployment } from './deployment.js'
import { lengthyFault, nearlyAllRecovered, underLoad, type Figures } from './fault.js'
import { ADMIN, rest } from './rest.js'

t.setTimeout(7_200_000)

const CALM_MS = 5_000
const QUESTIONS = 100
const TIMEOUT_MS = 4_000

lengthyFault('nodes whose clocks are five minutes behind and ahead, under load', async (t) => {
  const deployment = await Deployment.start(t, { clocks: ['-300s', '+0s', '+300s'] })
  const { nodes, origins } = deployment
  const extra: Figures = { expired: 0, endedEarly: 0, latestMs: 0 }

  /** Nobody answers. Meanwhile every node looks at all questions. */
  async function askInVain (): Promise<void> {
    const asked = Array.from({ length: QUESTIONS }, async (_, n) => {
      const from = performance.now()
      const { outcome } = await nodes[n % nodes.length]!.command<UserConfirmation>('ask', {
        userId: `asked-${n % 10}`, taskId: `task-${n}`, timeoutMs: TIMEOUT_MS, onTimeout: 'cancel'
      })
      const ms = performance.now() - from
      if (outcome === 'expired') extra.expired!++
      if (ms < TIMEOUT_MS - 100) extra.endedEarly!++
      extra.latestMs = Math.max(extra.latestMs!, Math.round(ms))
    })
    const over = new AbortController()
    const looking = (async () => {
      for (; !over.signal.aborted; await setTimeout(200)) {
        await Promise.all(origins.flatMap((origin) => Array.from({ length: 10 }, (_, n) => rest(origin, 'GET', `/ws/confirmations?user_id=asked-${n}`, ADMIN))))
      }
    })()
    await Promise.all(asked)
    over.abort()
    await looking
  }

  const figures = await underLoad(t, deployment, async ({ crowd }) => {
    await setTimeout(CALM_MS)
    crowd.leave(0)
    await askInVain()
    crowd.leave(1)
    await setTimeout(CALM_MS)
    await crowd.comeBack()
    await setTimeout(CALM_MS)
  }, { isChurning: true })
  nearlyAllRecovered(t, figures)
  t.match(extra, { expired: QUESTIONS, endedEarly: 0 }, 'questions end in their time')
  t.ok(extra.latestMs! <= TIMEOUT_MS + 2_000 + figures.delayMs!, `the last ended after ${extra.latestMs} ms`)
  t.equal(figures.uncertain, 0, 'every publication was acknowledged')
  return { ...figures, ...extra }
})
