import t from 'tap'
import { random } from '../fixtures/random.js'
import { World } from './world.js'

/** `npm run test:rollbacks` sets them; without, it is the short form. */
const { ROLLBACKS_HISTORIES = '40', ROLLBACKS_SEED = '5', ROLLBACKS_WORLDS = '2' } = process.env
const [histories, seed, worlds] = [ROLLBACKS_HISTORIES, ROLLBACKS_SEED, ROLLBACKS_WORLDS].map(Number) as [number, number, number]

const STEPS = 20

t.setTimeout(histories * 1_000 + 30_000)

t.test(`a reader told that nothing is missing has missed nothing, across random rollbacks (${histories} histories, seed ${seed})`, async (t) => {
  let next = 0
  const counts = await Promise.all(Array.from({ length: worlds }, async () => {
    const world = await World.start(t)
    try {
      while (next < histories) await runOne(world, next++)
    } finally {
      // Where it failed, the other worlds need not go on.
      next = histories
    }
    return world.counts
  }))
  const sum = (name: keyof typeof counts[0]) => counts.reduce((total, world) => total + world[name], 0)
  for (const name of ['recovered', 'refused', 'breaks', 'rollbacks', 'forks'] as const) {
    t.comment(`${name}: ${sum(name)}`)
    t.ok(sum(name) > 0, name)
  }
})

async function runOne (world: World, history: number): Promise<void> {
  try {
    await world.run(random(seed * 1_000_003 + history), STEPS)
  } catch (error) {
    throw new Error(`history ${history} of seed ${seed}`, { cause: error })
  }
}
