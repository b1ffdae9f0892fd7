import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { ConfirmationStore, StreamPosition, Publication, Retention, Settlement } from '../../lib/engine/engine.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import type { ConfirmationRecord } from '../../schemas/records.js'
import { question } from '../fixtures/engine-suite.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { Gate } from '../fixtures/gate.js'
import { memoryOptions } from '../fixtures/memory.js'
import { nodeOn } from '../fixtures/node.js'
import { until } from '../fixtures/until.js'

const step = { step: 1, message: 'Go on?' }
const to = { userId: 'alice', taskId: 'task-1' }

/** An engine that is far away: it can be slow to store, and fail to publish and to settle. */
class FarEngine extends MemoryEngine {
  failsToPublish = false
  failsToSettle = false
  /** When storing is done; null where it takes no time. */
  stored: Promise<void> | null = null
  /** When the caller hears of what is stored by then; it rejects where the answer is lost. */
  heard: Promise<void> | null = null
  readonly published: { type: string }[] = []

  constructor () {
    super(memoryOptions())
    const store: ConfirmationStore = this.confirmations
    const { create, settle } = { create: store.create.bind(store), settle: store.settle.bind(store) }
    store.create = async (record: ConfirmationRecord) => {
      if (this.stored !== null) await this.stored
      await create(record)
      if (this.heard !== null) await this.heard
    }
    store.settle = async (callbackId: string, settlement: Settlement) => {
      if (this.failsToSettle) throw new Error('out of reach')
      return settle(callbackId, settlement)
    }
  }

  override async publish (publication: Publication, retention: Retention): Promise<StreamPosition> {
    if (this.failsToPublish) throw new Error('out of reach')
    this.published.push(JSON.parse(publication.json))
    return super.publish(publication, retention)
  }
}

t.test('a question that cannot be announced is logged, and still waits for its answer', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations }, logs } = nodeOn(engine)
  engine.failsToPublish = true
  const end = confirmations.notify(step, to)
  const { confirmations: [record] } = await confirmations.list({ userId: 'alice', status: 'pending' })
  const { callback_id: id } = record!
  await confirmations.answer(id, { proceed: true }, { user_id: 'alice', client_id: null })
  t.match(await end, { outcome: 'confirmed' })
  for (const msg of ['a question could not be announced', 'the end of a question could not be announced']) {
    await until(() => logs.some((line) => line.msg === msg))
    t.match(logs.filter((line) => line.msg === msg), [{ callback_id: id, err: { message: 'out of reach' } }], msg)
  }
  await confirmations.close()
  await engine.close()
})

t.test('a question that cannot be aborted is logged and stays open, and the wait is interrupted at once', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations }, logs } = nodeOn(engine)
  const stop = new AbortController()
  const end = confirmations.notify(step, { ...to, signal: stop.signal })
  const { confirmations: [record] } = await confirmations.list()
  const callbackId = record!.callback_id
  engine.failsToSettle = true
  stop.abort()
  await t.rejects(end, { code: 'WSM_ERR_WAIT_INTERRUPTED', details: { callback_id: callbackId } })
  t.match(logs.at(-1), { msg: 'a question could not be ended', callback_id: callbackId, err: { message: 'out of reach' } })
  t.match(await confirmations.get(callbackId), { status: 'pending' })
  const waited = confirmations.wait(callbackId)
  engine.failsToSettle = false
  await confirmations.cancel(callbackId)
  t.match(await waited, { outcome: 'cancelled' }, 'it can be waited for again')
  await engine.close()
})

t.test('a question that cannot be stored rejects for the asking code, and leaves nothing behind', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations } } = nodeOn(engine)
  engine.stored = Promise.reject(new Error('out of reach'))
  await t.rejects(confirmations.notify(step, to), { message: 'out of reach' })
  t.equal(confirmations.pendingCount, 0)
})

t.test('a fired signal or a closing server ends a question that is being stored once it is stored', async (t) => {
  for (const [outcome, happen] of [['aborted', (stop: AbortController) => stop.abort()], ['closed', null]] as const) {
    const engine = new FarEngine()
    const { node: { confirmations } } = nodeOn(engine)
    let store = () => {}
    engine.stored = new Promise((resolve) => { store = resolve })
    const stop = new AbortController()
    const end = confirmations.notify(step, { ...to, signal: stop.signal })
    if (happen === null) await confirmations.close()
    else happen(stop)
    store()
    t.match(await end, { outcome, proceed: false })
    t.equal(confirmations.pendingCount, 0)
    await setImmediate()
    t.strictSame(engine.published.map(({ type }) => type), ['confirmation_closed'], 'it is not shown any more')
    await engine.close()
  }
})

t.test('a question that has ended while it was being stored is not shown', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations } } = nodeOn(engine)
  const answer = new Gate()
  engine.heard = answer.wait()
  const end = confirmations.notify(step, to)
  await until(() => engine.confirmations.pendingCount() === 1)
  const { confirmations: [record] } = await confirmations.list()
  await confirmations.cancel(record!.callback_id)
  answer.open()
  t.match(await end, { outcome: 'cancelled' })
  await setImmediate()
  t.strictSame(engine.published.map(({ type }) => type), ['confirmation_closed'])
  await engine.close()
})

t.test('a question that expires during an outage of the store interrupts the wait in time, and ends after the outage', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations } } = nodeOn(engine)
  engine.failsToSettle = true
  const end = confirmations.notify(step, { ...to, timeoutMs: 5, onTimeout: 'proceed' })
  const { confirmations: [record] } = await confirmations.list()
  await t.rejects(end, { code: 'WSM_ERR_WAIT_INTERRUPTED' })
  t.equal(confirmations.pendingCount, 1)
  engine.failsToSettle = false
  t.match(await confirmations.wait(record!.callback_id), { outcome: 'expired', proceed: true })
  await engine.close()
})

t.test('a question that the store has lost ends without consent for the asking code', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations } } = nodeOn(engine)
  const end = confirmations.notify(step, { ...to, timeoutMs: 5, onTimeout: 'proceed' })
  engine.confirmations.close()
  t.match(await end, { outcome: 'expired', proceed: false })
  await engine.close()
})

t.test('an overdue question of another node expires when it is read, if the store permits', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations } } = nodeOn(engine)
  const past = Date.now() - 60_000
  const orphan = question({ expires_at: past })
  await engine.confirmations.create(orphan)
  engine.failsToSettle = true
  t.match(await confirmations.get(orphan.callback_id), { status: 'pending' })
  engine.failsToSettle = false
  const [listed, open] = [question({ expires_at: past }), question()]
  for (const record of [listed, open]) await engine.confirmations.create(record)
  const { confirmations: pending } = await confirmations.list({ status: 'pending' })
  t.strictSame(pending, [open], 'none that has run out is listed as open')
  t.match((await confirmations.list({ status: 'expired' })).confirmations, [{ callback_id: String, settled_at: Number }, { callback_id: String }])
  t.match(await confirmations.get(orphan.callback_id), { status: 'expired', proceed: true, answered_by: null })
  await engine.confirmations.create(question({ expires_at: past }))
  t.strictSame((await confirmations.list()).confirmations.map(({ status }) => status).sort(), ['expired', 'expired', 'expired', 'pending'])
  await engine.close()
})

t.test('a node whose own clock is fast asks, reads and waits for questions by the shared clock', async (t) => {
  const engine = new FarEngine()
  Object.assign(engine, { clock: { now: () => Date.now() - 300_000, offsetMs: 300_000 } })
  const time = new FakeClock(t)
  const { node: { confirmations } } = nodeOn(engine)
  const record = question({ expires_at: engine.clock.now() + 60_000 })
  const { callback_id: id } = record
  await engine.confirmations.create(record)
  t.match(await confirmations.get(id), { status: 'pending' })
  t.match(await confirmations.list({ status: 'pending' }), { confirmations: [{ callback_id: id }] })
  const waiting = confirmations.wait(id)
  await setImmediate()
  time.advance(50_000)
  await setImmediate()
  t.match(await engine.confirmations.get(id), { status: 'pending' })
  await confirmations.cancel(id)
  t.match(await waiting, { outcome: 'cancelled' })
  const end = confirmations.notify(step, { ...to, timeoutMs: 60_000 })
  const { confirmations: [asked] } = await confirmations.list({ userId: 'alice', status: 'pending' })
  t.ok(asked!.expires_at <= engine.clock.now() + 60_000)
  await confirmations.cancel(asked!.callback_id)
  await end
  await engine.close()
})

t.test('a wait for a question resolves with uncertain where an earlier answer may be lost', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations } } = nodeOn(engine)
  const record = question({ uncertain: true })
  await engine.confirmations.create(record)
  const waiting = confirmations.wait(record.callback_id)
  await confirmations.cancel(record.callback_id)
  t.match(await waiting, { outcome: 'cancelled', uncertain: true })
  await engine.close()
})

t.test('a question that was stored although the asking node saw a failure is ended', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations } } = nodeOn(engine)
  engine.heard = Promise.reject(new Error('out of reach'))
  await t.rejects(confirmations.notify(step, to), { message: 'out of reach' })
  t.match((await confirmations.list()).confirmations, [{ status: 'aborted', proceed: false }])
  t.notOk(engine.published.some(({ type }) => type === 'task_step_result'), 'it is not shown')
  await engine.close()
})

t.test('a question that the store cannot settle in one step, as one of an earlier version, is read first and then answered', async (t) => {
  const engine = new FarEngine()
  const { node: { confirmations } } = nodeOn(engine)
  const end = confirmations.notify(step, to)
  const { confirmations: [record] } = await confirmations.list()
  engine.confirmations.settleAs = async () => ({ won: false, record: record! })
  t.match(await confirmations.answer(record!.callback_id, { proceed: true }, { user_id: 'alice', client_id: null }), { status: 'confirmed' })
  t.match(await end, { outcome: 'confirmed' })
  await confirmations.close()
  await engine.close()
})
