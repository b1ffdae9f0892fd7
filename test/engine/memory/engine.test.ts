import t from 'tap'
import { MemoryEngine } from '../../lib/engine/memory.js'
import { engineSuite } from '../fixtures/engine-suite.js'

t.test('the memory engine keeps the contract', (t) => engineSuite(t, ({ retainMs }) => new MemoryEngine(retainMs)))

t.test('an engine that nobody listens to takes publications all the same', async (t) => {
  const engine = new MemoryEngine(60_000)
  await engine.subscribe('all')
  await t.resolves(engine.publish({ topic: 'all', message: {} as never }))
  await engine.close()
})
