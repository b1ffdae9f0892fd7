import t from 'tap'
import { MemoryEngine } from '../../../lib/engine/memory/engine.js'
import { engineSuite } from '../../fixtures/engine-suite.js'

const LIMITS = { maxTopics: 1_000, maxBytes: 10_000_000, positionTtlMs: 600_000 }

t.test('the memory engine keeps the contract', (t) => engineSuite(t, (options) => new MemoryEngine({ ...options, ...LIMITS })))
