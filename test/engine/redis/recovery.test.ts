import t from 'tap'
import type { Lane } from '../../../lib/engine/redis/lane.js'
import { Recovery, type RecoveryParts } from '../../../lib/engine/redis/recovery.js'
import { FakeClock } from '../../fixtures/fake-clock.js'
import { keepingLog } from '../../fixtures/redis-nodes.js'

t.test('missed ends of questions are read at once, and with each renewal until that succeeds', async (t) => {
  const reads: string[] = []
  const nothing = () => {}
  const state = { isAway: true }
  const parts = {
    lineage: { examineAll: nothing },
    presence: { restore: nothing },
    revocations: { refresh: nothing },
    confirmations: {
      catchUp: async () => {
        reads.push(state.isAway ? 'failed' : 'read')
        if (state.isAway) throw new Error('out of reach')
      }
    }
  }
  const { log, messages } = keepingLog()
  const recovery = new Recovery(parts as unknown as RecoveryParts, log)
  recovery.renewed(false)
  t.strictSame(reads, [])
  recovery.missedEnds()
  t.strictSame(reads, ['failed'])
  await new Promise(setImmediate)
  t.strictSame(messages, ['could not re-read ended questions yet; will retry'])
  state.isAway = false
  recovery.renewed(false)
  await new Promise(setImmediate)
  recovery.renewed(false)
  t.strictSame(reads, ['failed', 'read'])
})

t.test('lost calls are restored soon after Redis went back, and with each renewal until that succeeds', async (t) => {
  const clock = new FakeClock(t)
  const restored: string[] = []
  const nothing = () => {}
  const state = { isAway: true }
  const parts = {
    keys: { lane: () => 'ends' },
    lineage: { examineAll: nothing },
    streams: { checkLane: nothing },
    presence: { restore: nothing, restoreLost: nothing, checkAll: nothing },
    revocations: { mayHaveMissed: nothing, refresh: nothing },
    calls: {
      restore: async () => {
        restored.push(state.isAway ? 'failed' : 'restored')
        if (state.isAway) throw new Error('out of reach')
      }
    }
  }
  const { log, messages } = keepingLog()
  const recovery = new Recovery(parts as unknown as RecoveryParts, log)
  recovery.renewed(false)
  recovery.wentBack({ key: 'another' } as Lane)
  t.strictSame(restored, [])
  clock.advance(1_000)
  t.strictSame(restored, ['failed'])
  await new Promise(setImmediate)
  t.strictSame(messages, ['could not yet restore calls with an idempotency key that Redis has lost; will retry'])
  state.isAway = false
  for (let n = 0; n < 2; n++) {
    recovery.renewed(false)
    await new Promise(setImmediate)
  }
  t.strictSame(restored, ['failed', 'restored'])
})

t.test('a closed recovery restores nothing', (t) => {
  const clock = new FakeClock(t)
  const restored: string[] = []
  const nothing = () => {}
  const parts = {
    keys: { lane: () => 'ends' },
    streams: { checkLane: nothing },
    presence: { restoreLost: () => { restored.push('presence') }, checkAll: nothing },
    revocations: { mayHaveMissed: nothing, refresh: nothing },
    calls: { restore: async () => { restored.push('calls') } }
  }
  for (const isClosed of [false, true]) {
    const recovery = new Recovery(parts as unknown as RecoveryParts, keepingLog().log)
    recovery.wentBack({ key: 'another' } as Lane)
    if (isClosed) recovery.close()
    clock.advance(1_000)
  }
  t.strictSame(restored, ['presence', 'calls'])
  t.end()
})
