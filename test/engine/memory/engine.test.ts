import t from 'tap'
import { MemoryEngine } from '../../../lib/engine/memory/engine.js'
import { engineSuite } from '../../fixtures/engine-suite.js'

t.test('the memory engine fulfils the engine contract', (t) => engineSuite(t, (options) => new MemoryEngine(options)))
