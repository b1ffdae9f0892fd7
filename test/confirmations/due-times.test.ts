import t from 'tap'
import type { DueTime, DueTimes, Engine, StreamPosition, Publication, Retention } from '../../lib/engine/engine.js'
import { MemoryEngine } from '../../lib/engine/memory/engine.js'
import type { WsPluginOptions } from '../../lib/index.js'
import type { ConfirmationRecord } from '../../schemas/records.js'
import { question, settlement } from '../fixtures/engine-suite.js'
import { Gate } from '../fixtures/gate.js'
import { memoryOptions } from '../fixtures/memory.js'
import { nodeOn } from '../fixtures/node.js'
import { until } from '../fixtures/until.js'

// Each waits for looks at the list, a second apart.
t.jobs = 10

const step = { step: 1, message: 'Go on?' }
const to = { userId: 'alice', taskId: 'task-1' }

/** An engine as nodes have one that share it. It fails as often as the test says. */
class SharedEngine extends MemoryEngine {
  readonly published: { type: string, callback_id: string, outcome?: string }[] = []
  readonly done: string[] = []
  failures = { publish: 0, pass: 0, takeDue: 0, done: 0 }
  looks = 0
  isReady = true
  /** Runs when something has been published. */
  onPublished: () => unknown = () => {}

  constructor () {
    super(memoryOptions())
    const store = Object.assign(this.confirmations, { outlivesNode: true })
    const { takeDue, done } = { takeDue: store.takeDue.bind(store), done: store.done.bind(store) }
    store.takeDue = async (limit: number, leaseMs: number): Promise<DueTimes> => {
      this.looks++
      this.#fail('takeDue')
      return takeDue(limit, Math.min(leaseMs, 400))
    }
    store.done = async (ids: readonly string[], kind: string) => {
      this.#fail('done')
      this.done.push(...ids)
      return done(ids, kind)
    }
    Object.defineProperty(this.cluster, 'availability', { get: () => ({ status: this.isReady ? 'ready' : 'unavailable', reasons: [] }) })
  }

  override async publish (publication: Publication, retention: Retention): Promise<StreamPosition> {
    this.#fail('publish')
    this.published.push(JSON.parse(publication.json))
    await this.onPublished()
    return super.publish(publication, retention)
  }

  override async pass (publication: Publication): Promise<boolean> {
    this.published.push(JSON.parse(publication.json))
    return this.failures.pass-- <= 0
  }

  /** Stores a question as a node does that dies at once. */
  async orphan (due: readonly DueTime[], fields: Partial<ConfirmationRecord> = {}): Promise<ConfirmationRecord> {
    const record = question(fields)
    await this.confirmations.create(record, due)
    return record
  }

  typesOf ({ callback_id: id }: ConfirmationRecord): string[] {
    return this.published.filter(({ callback_id: other }) => other === id).map(({ type }) => type)
  }

  #fail (call: keyof SharedEngine['failures']): void {
    if (this.failures[call]-- > 0) throw new Error('out of reach')
  }
}

function start (engine: SharedEngine, options: WsPluginOptions = {}) {
  const { node: { confirmations }, logs } = nodeOn(engine as Engine, options)
  confirmations.start()
  return {
    confirmations,
    logs,
    end: async () => {
      await confirmations.close()
      await engine.close()
    }
  }
}

t.test('a question that its node did not announce is announced by another node until an announcement succeeds', { buffered: true }, async (t) => {
  const engine = new SharedEngine()
  const { end, logs } = start(engine)
  engine.failures.publish = 3
  const record = await engine.orphan([{ kind: 'announce', at: Date.now() }])
  await until(() => engine.done.includes(record.callback_id))
  t.strictSame(engine.typesOf(record), ['task_step_result'])
  t.equal(logs.filter(({ msg, level }) => msg === 'a question could not be announced' && level === 20).length, 3)
  const { looks } = engine
  await until(() => engine.looks > looks + 1)
  t.strictSame(engine.typesOf(record), ['task_step_result'])
  await end()
})

t.test('the asking node announces a question at once, and again where the announcement failed or did not reach all nodes', { buffered: true }, async (t) => {
  const cases: Record<string, [prepare: (engine: SharedEngine) => void, atOnce: number, inAll: number, isKept?: boolean]> = {
    'announced at once': [() => {}, 1, 1],
    'failed at first': [(engine) => { engine.failures.publish = 1 }, 0, 1],
    'not for all nodes at first': [(engine) => { engine.isReady = false }, 1, 2],
    'not kept, and passed on to all nodes': [() => {}, 1, 1, false],
    'not kept, and not passed on at first': [(engine) => { engine.failures.pass = 1 }, 1, 2, false]
  }
  for (const [name, [prepare, atOnce, inAll, isKept = true]] of Object.entries(cases)) {
    const engine = new SharedEngine()
    const { confirmations, end } = start(engine, { history: { enabled: isKept } })
    prepare(engine)
    const asked = confirmations.notify(step, to)
    const { confirmations: [record] } = await confirmations.list({ status: 'pending' })
    t.equal(engine.typesOf(record!).length, atOnce, name)
    engine.isReady = true
    await until(() => engine.done.includes(record!.callback_id))
    t.equal(engine.typesOf(record!).length, inAll, name)
    await confirmations.cancel(record!.callback_id)
    t.match(await asked, { outcome: 'cancelled' })
    await end()
  }
})

t.test('the announcement of a question that is answered at once is not recorded', { buffered: true }, async (t) => {
  const engine = new SharedEngine()
  const { confirmations, end } = start(engine)
  const asked = confirmations.notify(step, to)
  const { confirmations: [record] } = await confirmations.list()
  await confirmations.cancel(record!.callback_id)
  await asked
  await confirmations.close()
  t.strictSame(engine.done, [])
  await end()
})

t.test('a question is announced again when its announcement could not be recorded', { buffered: true }, async (t) => {
  const engine = new SharedEngine()
  const { end } = start(engine)
  engine.failures.done = 1
  const record = await engine.orphan([{ kind: 'announce', at: Date.now() }])
  await until(() => engine.done.includes(record.callback_id))
  t.ok(engine.typesOf(record).length > 1)
  await end()
})

t.test('the end of a question is announced again when an announcement of the question came after it', { buffered: true }, async (t) => {
  const engine = new SharedEngine()
  const { end } = start(engine)
  const record = await engine.orphan([{ kind: 'announce', at: Date.now() }])
  engine.onPublished = async () => {
    engine.onPublished = () => {}
    await engine.confirmations.settle(record.callback_id, settlement())
  }
  await until(() => engine.typesOf(record).length > 1)
  t.match(engine.published, [{ type: 'task_step_result' }, { type: 'confirmation_closed', outcome: 'confirmed' }])
  const lost = await engine.orphan([{ kind: 'announce', at: Date.now() }])
  engine.onPublished = () => engine.confirmations.close()
  await until(() => engine.typesOf(lost).length > 0)
  await end()
  t.strictSame(engine.typesOf(lost), ['task_step_result'], 'and of what the store has lost there is none')
})

t.test('a question whose node has died expires without being read', { buffered: true }, async (t) => {
  const engine = new SharedEngine()
  const { end } = start(engine)
  const at = Date.now() + 300
  const record = await engine.orphan([{ kind: 'expire', at }], { expires_at: at })
  await until(() => engine.published.length > 0)
  t.match(engine.published, [{ type: 'confirmation_closed', callback_id: record.callback_id, outcome: 'expired', proceed: true }])
  t.ok(Date.now() < at + 1_500)
  t.match(await engine.confirmations.get(record.callback_id), { status: 'expired' })
  await end()
})

t.test('due times that could not be read are polled again, and unknown kinds are left to other nodes', { buffered: true }, async (t) => {
  const engine = new SharedEngine()
  const { end, logs } = start(engine)
  engine.failures.takeDue = 1
  const [strange, failing] = await Promise.all(['vote', 'announce'].map((kind) => engine.orphan([{ kind, at: Date.now() }])))
  const get = engine.confirmations.get.bind(engine.confirmations)
  engine.confirmations.get = async (id) => {
    engine.confirmations.get = get
    if (id === failing!.callback_id) throw new Error('out of reach')
    return get(id)
  }
  await until(() => engine.done.includes(failing!.callback_id))
  t.strictSame(engine.typesOf(strange!), [])
  t.ok(logs.some(({ msg }) => msg === 'due times of questions could not be read'))
  t.match(logs.find(({ msg }) => msg === 'a due action of a question failed and will be retried'), { kind: 'announce', callback_id: failing!.callback_id })
  await end()
})

t.test('a node that closes while it reads due times reads no more of them', { buffered: true }, async (t) => {
  const [engine, other] = [new SharedEngine(), new SharedEngine()]
  const [closing, going] = [start(engine), start(other)]
  const gate = new Gate()
  const takeDue = t.capture(engine.confirmations, 'takeDue', async () => {
    await gate.wait()
    return { due: [], nextInMs: null }
  })
  await gate.reached
  await closing.end()
  gate.open()
  closing.confirmations.start()
  const { looks } = other
  await until(() => other.looks > looks + 1)
  t.equal(takeDue().length, 1)
  await going.end()
})
