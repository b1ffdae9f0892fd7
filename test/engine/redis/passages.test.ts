import t, { type Test } from 'tap'
import type { Delivery, Publication } from '../../../lib/engine/engine.js'
import { Passages } from '../../../lib/engine/redis/passages.js'
import { numberOf, publication } from '../../fixtures/engine-suite.js'
import { FakeClock } from '../../fixtures/fake-clock.js'

const TIMEOUT_MS = 100

/** Passages whose Redis passes on what the test says. */
function passagesOf (t: Test) {
  const clock = new FakeClock(t)
  const delivered: Delivery[] = []
  const failures: unknown[] = []
  const published: { publication: Publication, accept: () => void, refuse: (error: Error) => void }[] = []
  const state = { isSubscribed: true, isUpToDate: true }
  const passages = new Passages('self', TIMEOUT_MS, {
    isSubscribed: () => state.isSubscribed,
    isUpToDate: () => state.isUpToDate,
    deliver: (delivery) => delivered.push(delivery),
    publish: (publication) => new Promise<void>((resolve, reject) => { published.push({ publication, accept: resolve, refuse: reject }) }),
    fail: (error) => { failures.push(error) }
  })
  const pass = (n: number, { topic = 'all', isReachable = true, except = undefined as string[] | undefined } = {}) =>
    passages.pass({ ...publication(topic, { n }), ...except !== undefined && { except } }, isReachable)
  return Object.assign(state, {
    clock,
    passages,
    failures,
    published,
    pass,
    delivered,
    /** As what was published in that place comes back. */
    comeBack: (at: number) => passages.receive({ ...published[at]!.publication, position: null }),
    numbers: () => delivered.map(numberOf)
  })
}

t.test('an immediately delivered publication is not delivered again by its echo, and those of others are delivered', async (t) => {
  const state = passagesOf(t)
  const passed = state.pass(1, { except: ['client-1'] })
  t.strictSame(state.delivered, [{ ...publication('all', { n: 1 }), except: ['client-1'], position: null }])
  t.strictSame(state.published[0]!.publication.except, ['client-1', 'self 1'])
  state.published[0]!.accept()
  t.equal(await passed, true)
  state.comeBack(0)
  state.passages.receive({ ...publication('all', { n: 2 }), position: null })
  for (const except of [[], ['self'], ['other 1']]) state.passages.receive({ ...publication('all', { n: 3 }), except, position: null })
  t.strictSame(state.numbers(), [1, 2, 3, 3, 3])
})

t.test('a publication behind one in flight waits for its echo, and others wait behind it', async (t) => {
  const state = passagesOf(t)
  state.isUpToDate = false
  state.pass(1)
  state.isUpToDate = true
  state.pass(2)
  state.pass(3, { topic: 'channel:a' })
  t.strictSame(state.numbers(), [3], 'another topic does not wait')
  // The first one was lost on the way.
  state.comeBack(1)
  state.comeBack(0)
  state.pass(4)
  t.strictSame(state.numbers(), [3, 1, 2, 4])
  t.equal(state.clock.timerCount, 0)
})

t.test('if Redis is unreachable a publication is delivered behind those that wait', async (t) => {
  const state = passagesOf(t)
  state.isUpToDate = false
  const passed = [1, 2, 3].map((n) => state.pass(n))
  const error = new Error('out of reach')
  state.published[1]!.refuse(error)
  t.equal(await passed[1], false)
  t.strictSame([state.numbers(), state.failures], [[1, 2], [error]])
  state.published[0]!.refuse(error)
  t.equal(await passed[0], false)
  t.equal(await state.pass(4, { isReachable: false }), false)
  t.equal(await state.pass(5, { isReachable: false }), false)
  for (const at of [0, 1, 2]) state.comeBack(at)
  t.strictSame(state.numbers(), [1, 2, 3, 4, 5])
  t.equal(state.published.length, 3)
})

t.test('once Redis is known to be down nothing waits for it, and its late echoes are not delivered', async (t) => {
  const state = passagesOf(t)
  state.isUpToDate = false
  const passed = [state.pass(1), state.pass(2)]
  state.passages.giveUp()
  t.strictSame(await Promise.all(passed), [false, false])
  t.strictSame(state.numbers(), [1, 2])
  state.published[0]!.accept()
  state.published[1]!.refuse(new Error('out of reach'))
  state.comeBack(0)
  t.strictSame(state.numbers(), [1, 2])
})

t.test('a publication without an echo is delivered on time-out', (t) => {
  const state = passagesOf(t)
  state.isUpToDate = false
  state.pass(1)
  state.published[0]!.accept()
  state.clock.advance(2 * TIMEOUT_MS - 1)
  t.strictSame(state.numbers(), [])
  state.clock.advance(1)
  t.strictSame(state.numbers(), [1])
  t.end()
})

t.test('without subscribers a publication goes to Redis unmarked, if Redis is reachable', async (t) => {
  const state = passagesOf(t)
  state.isSubscribed = false
  const passed = state.pass(1)
  t.equal(state.published[0]!.publication.except, undefined)
  state.published[0]!.accept()
  t.equal(await passed, true)
  t.equal(await state.pass(2, { isReachable: false }), false)
  t.strictSame([state.numbers(), state.published.length], [[], 1])
})

t.test('nothing of a forgotten topic is delivered, and nothing at all after closing', async (t) => {
  const state = passagesOf(t)
  state.isUpToDate = false
  state.passages.forget('all')
  const passed = [state.pass(1), state.pass(2, { topic: 'channel:a' })]
  state.passages.forget('all')
  t.equal(state.clock.timerCount, 1)
  state.passages.close()
  t.equal(state.clock.timerCount, 0)
  for (const { refuse } of state.published) refuse(new Error('closed'))
  t.strictSame(await Promise.all(passed), [false, false])
  state.isUpToDate = true
  state.pass(3)
  t.strictSame(state.numbers(), [])
})

t.test('nothing waits behind publications that were in flight when the topic was forgotten', async (t) => {
  const state = passagesOf(t)
  state.isUpToDate = false
  state.pass(1)
  state.passages.forget('all')
  state.isUpToDate = true
  state.pass(2)
  t.strictSame(state.numbers(), [2])
})
