import { Type } from '@sinclair/typebox'
import type { Engine, EngineContract, EngineFactory, User } from 'fastify-ws-manager'
import t from 'tap'
import { startApp } from '../fixtures/app.js'

/** The time of one process. */
const clock: EngineContract.Clock = { now: () => Date.now(), offsetMs: 0 }

/** A process that knows of no other. */
const cluster: EngineContract.Cluster = {
  nodeId: 'own',
  availability: { status: 'ready', reasons: [] },
  onAvailability: () => {},
  ask: async () => ({ answers: [], missing: [] }),
  onAsk: () => {}
}

/** Streams that count and forget: positions without a history. */
function streams () {
  const offsets = new Map<string, number>()
  let deliver: (delivery: EngineContract.Delivery) => void = () => {}
  const positionOf = (topic: string): EngineContract.StreamPosition => ({ epoch: 'own', offset: offsets.get(topic) ?? 0 })
  return {
    publish: async (publication: EngineContract.Publication) => {
      offsets.set(publication.topic, positionOf(publication.topic).offset + 1)
      const position = positionOf(publication.topic)
      deliver({ ...publication, position })
      return position
    },
    pass: async (publication: EngineContract.Publication) => {
      deliver({ ...publication, position: null })
      return true
    },
    subscribe: async (topic: string) => positionOf(topic),
    unsubscribe: () => {},
    history: async (topic: string): Promise<EngineContract.HistoryPage> => ({ entries: [], isComplete: false, from: positionOf(topic), top: positionOf(topic) }),
    onDelivery: (listener: typeof deliver) => { deliver = listener }
  }
}

/** Questions by their id; none of them is due at a time. */
function questions (): EngineContract.ConfirmationStore {
  type Question = Parameters<EngineContract.ConfirmationStore['create']>[0]
  const records = new Map<string, Question>()
  let tell: (record: Question) => void = () => {}
  const settle = async (id: string, { outcome, ...end }: EngineContract.Settlement): Promise<EngineContract.Settled | null> => {
    const record = records.get(id)
    if (record === undefined) return null
    if (record.status !== 'pending') return { won: false, record }
    const settled = { ...record, ...end, status: outcome, settled_at: clock.now() }
    records.set(id, settled)
    tell(settled)
    return { won: true, record: settled }
  }
  const open = () => [...records.values()].filter(({ status }) => status === 'pending')
  return {
    outlivesNode: false,
    create: async (record) => { records.set(record.callback_id, record) },
    get: async (id) => records.get(id) ?? null,
    list: async (filter) => ({
      records: [...records.values()].filter((record) => (['user_id', 'task_id', 'status'] as const).every((name) => (filter[name] ?? record[name]) === record[name])),
      next: null
    }),
    settle,
    settleAs: async (userId, id, settlement) => {
      const record = records.get(id)
      return record === undefined || record.user_id === userId ? settle(id, settlement) : { won: false, record }
    },
    takeDue: async () => ({ due: [], nextInMs: null }),
    done: async () => {},
    onSettled: (listener) => { tell = listener },
    pendingCount: () => open().length
  }
}

/** Tickets that can be used once. */
function tickets (): EngineContract.TicketStore {
  const users = new Map<string, User>()
  return {
    put: async (key, user) => {
      users.set(key, user)
      return 'kept'
    },
    take: async (key) => {
      const user = users.get(key) ?? null
      users.delete(key)
      return user
    }
  }
}

/** Calls by their key, for as long as the process lives. */
function calls (): EngineContract.CallStore {
  const outcomes = new Map<string, string | null>()
  return {
    begin: (key) => {
      const outcome = outcomes.get(key)
      if (outcome === undefined) outcomes.set(key, null)
      return outcome === undefined ? { state: 'new' } : outcome === null ? { state: 'running' } : { state: 'ended', outcome }
    },
    finish: async (key, _runner, outcome) => {
      if (outcome === null) outcomes.delete(key)
      else outcomes.set(key, outcome)
    }
  }
}

t.test('an engine that is written against the exports of the package alone carries messages, questions, tickets and calls', async (t) => {
  let isClosed = false
  const ownEngine: EngineFactory = async ({ log }): Promise<Engine> => ({
    ...streams(),
    clock,
    cluster,
    confirmations: questions(),
    tickets: tickets(),
    calls: calls(),
    presence: { add: async () => {}, remove: async () => {}, list: async () => [], onChange: () => {} },
    revocations: { add: async () => true, learn: () => {}, isRevoked: () => false, current: async () => {}, onLearned: () => {} },
    onBreak: () => {},
    onEviction: () => {},
    close: async () => {
      isClosed = true
      log.info('closed')
    }
  })
  let ran = 0
  const server = await startApp(t, { engine: ownEngine, authorizeSubscribe: () => true }, {
    after: (app) => app.ws.handle('work.do', { schema: Type.Object({}) }, () => ++ran)
  })
  const { ws } = server.app
  t.equal(ws.getStatus().node_id, 'own')
  const alice = await server.connect('alice')
  t.match(await ws.broadcast({ type: 'news.flash' }), { localRecipients: 1, position: { epoch: 'own', offset: 1 } })
  t.strictSame(alice.streamOf(await alice.next('news.flash')), { topic: 'all', epoch: 'own', offset: 1 })
  const end = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task' })
  const { callback_id: callbackId } = await alice.next('task_step_result')
  t.match(await ws.confirmations.list({ taskId: 'task' }), { confirmations: [{ callback_id: callbackId, status: 'pending' }] })
  await alice.request({ type: 'confirm', callback_id: callbackId, proceed: true })
  t.match(await end, { outcome: 'confirmed', answered_by: { user_id: 'alice' } })
  t.equal(ws.getStatus().pending_callbacks, 0)
  t.match(await server.rest('POST', '/ws/tickets', { as: 'alice' }), { status: 200, body: { ticket: String } })
  for (let n = 0; n < 2; n++) t.match(await alice.request({ type: 'work.do', idempotency_key: 'k' }), { type: 'reply', data: 1 })
  await server.app.close()
  t.ok(isClosed)
})
