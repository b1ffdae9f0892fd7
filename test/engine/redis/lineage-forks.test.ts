import t from 'tap'
import type { RedisCluster } from '../../../lib/engine/redis/cluster.js'
import type { Commands } from '../../../lib/engine/redis/commands.js'
import { Deadline, unavailable } from '../../../lib/engine/redis/deadline.js'
import type { Lane } from '../../../lib/engine/redis/lane.js'
import * as scripts from '../../../lib/engine/redis/lane-scripts.js'
import { Lineage } from '../../../lib/engine/redis/lineage.js'
import { Script } from '../../../lib/engine/redis/lua.js'
import { Peers } from '../../../lib/engine/redis/peers.js'
import { keepingLog } from '../../fixtures/redis-nodes.js'
import { until } from '../../fixtures/until.js'

const WRITE = new Script('return 1')

/** A lane on a server, as the scripts have it. */
class Server {
  ended: [string, number][] = []
  looks = 0
  /** Runs before a look is answered. */
  onLook: () => unknown = () => {}
  /** Runs while the answer to a look is under way. */
  onLooked: () => unknown = () => {}
  constructor (public master: string, public segment = '', public number = 0, public run = segment === '' ? '' : master) {}

  async do (script: Script, args: (string | number)[]): Promise<unknown> {
    if (script === scripts.read) {
      this.looks++
      await this.onLook()
      const state = [this.master, this.run, this.segment, this.number, this.ended.flat().join(' ')]
      await this.onLooked()
      return state
    }
    if (script === scripts.settle) {
      const [master, run, segment, next] = args as string[]
      if (master !== this.master || run !== this.run || segment !== this.segment) return 0
      if (segment !== '') this.ended = [[segment!, this.number], ...this.ended]
      Object.assign(this, { run: master, segment: next })
      return 1
    }
    if (this.run !== this.master) throw Object.assign(new Error('UNSURE'), { name: 'ReplyError' })
    return [this.segment, ++this.number, 'done']
  }

  /** A replica with the same state, that takes its place. */
  promote (master: string): Server {
    const other = new Server(master, this.segment, this.number, this.run)
    other.ended = [...this.ended]
    return other
  }
}

/** A node whose calls reach one server at a time. */
function nodeOn (server: Server, { peers: known = [] as string[], graceMs = 5_000 } = {}) {
  const peers = new Peers('self', 60_000)
  for (const peer of known) peers.heard(peer)
  const node = { server, answers: [] as unknown[], asked: [] as { kind: string, data: unknown }[], generations: 0 }
  const listeners = new Map<string, (data: unknown) => unknown>()
  const commands = {
    deadline: () => new Deadline(2_000),
    run: (script: Script, _keys: string[], args: (string | number)[]) => node.server.do(script, args)
  } as unknown as Commands
  const cluster = {
    nodeId: 'self',
    peers,
    onAsk: (kind: string, listener: (data: unknown) => unknown) => { listeners.set(kind, listener) },
    askPeers: async (kind: string, data: unknown) => {
      node.asked.push({ kind, data })
      return node.answers.map((data, at) => ({ node_id: known[at]!, data }))
    }
  } as unknown as RedisCluster
  const { log, messages } = keepingLog()
  const lineage = new Lineage({ commands, cluster, log }, { graceMs }, { onGeneration: () => { node.generations++ } })
  const lane = lineage.lane('lane')
  const write = () => lineage.run(lane, WRITE, [], [])
  const ask = (kind: string, data: unknown) => listeners.get(kind)!(data)
  /** As if another node had found that server. */
  const askAbout = ({ master, segment, number, ended }: Server) => ask('lanes', { lanes: [{ key: 'lane', master, segment, number, ended }] })
  return Object.assign(node, { lineage, lane, peers, messages, write, ask, askAbout })
}

t.test('a write on an old master that another server has replaced begins a new generation', async (t) => {
  const old = new Server('m1', '1-a.x', 5)
  const node = nodeOn(old)
  await node.write()
  t.match(node.askAbout(old.promote('m2')), { lanes: [{ verdict: 'kept' }] })
  t.equal(await node.write(), 'done')
  t.match(old.segment, /^2-/)
  t.match(node.lane, { segment: old.segment, fence: null })
  t.equal(node.generations, 1)
})

t.test('a node that testified about its own server continues once that is settled', async (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  await node.write()
  node.askAbout(server)
  await node.write()
  t.match([server.segment, node.lane.fence, node.generations], ['1-a.x', null, 0])
})

t.test('a write during a settlement counts if the server kept it, and is repeated if not', async (t) => {
  for (const isKept of [true, false]) {
    const server = new Server('m1', '1-a.x', 5)
    const node = nodeOn(server)
    await node.write()
    node.askAbout(server.promote('m2'))
    server.onLook = () => {
      server.onLook = () => {}
      server.ended = [['1-a.x', isKept ? server.number : server.number - 1]]
      server.segment = '1-a.y'
    }
    const before = server.number
    t.equal(await node.write(), 'done')
    t.equal(server.number - before, isKept ? 1 : 2)
  }
})

t.test('a node that was not asked begins a new generation when it moves to a server that lacks its writes', async (t) => {
  const old = new Server('m1', '1-a.x', 5)
  const next = old.promote('m2')
  Object.assign(next, { run: 'm2', segment: '2-b.y', ended: [['1-a.x', 5]] })
  const node = nodeOn(old)
  await node.write()
  node.server = next
  await node.write()
  t.equal(node.generations, 1)
  await until(() => next.segment !== '2-b.y')
  t.match(next.segment, /^3-/)
  const idle = nodeOn(new Server('m1', '1-a.x', 4))
  await idle.write()
  idle.server = next
  next.ended.push(['1-a.x', 5])
  const { segment } = next
  await idle.write()
  await until(() => idle.lane.open.size === 0)
  t.equal(next.segment, segment, 'not where what it has seen is there')
})

t.test('a message that the server does not have begins a new generation; one of another generation is ignored', async (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  await node.write()
  node.lineage.seen(node.lane, '7-z.z', 9)
  t.equal(node.lane.open.size, 0)
  node.lineage.seen(node.lane, '1-a.w', 9)
  node.lineage.seen(node.lane, '1-a.v', 9)
  t.equal(server.looks, 1, 'at once for several')
  await until(() => server.segment !== '1-a.x')
  await node.write()
  t.equal(node.generations, 1)
})

t.test('a node that has made no call yet enters the segment of the first message', (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  node.lineage.seen(node.lane, '1-a.x', 4)
  t.match([node.lane.segment, node.lane.number, node.generations, server.looks], ['1-a.x', 4, 0, 0])
  t.end()
})

t.test('a node that only listens enters a new segment with one read of the lane', async (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  await node.write()
  Object.assign(server, { segment: '1-a.y', ended: [['1-a.x', 6]], number: 8 })
  node.lineage.seen(node.lane, '1-a.y', 7)
  await until(() => node.lane.segment === '1-a.y')
  node.lineage.seen(node.lane, '1-a.y', 8)
  t.match([node.lane.open.size, node.generations, server.looks], [0, 0, 1])
})

t.test('messages seen while a lane is read are not compared with that reading', async (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  await node.write()
  const number = server.number + 1
  Object.assign(server, { segment: '1-a.y', ended: [['1-a.x', server.number]], number })
  server.onLooked = () => node.lineage.seen(node.lane, '1-a.y', ++server.number)
  node.lineage.seen(node.lane, '1-a.y', number)
  await until(() => node.lane.segment === '1-a.y')
  node.lineage.examineAll()
  await node.write()
  t.match([server.segment, node.generations, node.lane.open.size, node.lane.number], ['1-a.y', 0, 0, server.number])
})

t.test('a failed check of sightings is repeated', async (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  await node.write()
  server.onLook = () => { throw new Error('away') }
  node.lineage.seen(node.lane, '1-a.w', 9)
  await until(() => node.messages.some((message) => message.startsWith('could not check yet')))
  server.onLook = () => {}
  server.run = 'other'
  node.lineage.examineAll()
  await until(() => server.looks === 2)
  t.equal(server.segment, '1-a.x', 'while it is not settled, that is settled first')
  server.run = 'm1'
  await until(() => {
    node.lineage.examineAll()
    return server.segment !== '1-a.x'
  })
})

t.test('a silent node is awaited during the grace time, but not for an unused lane', async (t) => {
  const server = new Server('m2', '1-a.x', 5, 'm1')
  const node = nodeOn(server, { peers: ['silent'], graceMs: 120 })
  const from = performance.now()
  await node.write()
  t.ok(performance.now() - from >= 119)
  t.ok(node.asked.length > 1)
  t.match(server.segment, /^2-/)
  const fresh = nodeOn(new Server('m1'), { peers: ['silent'], graceMs: 60_000 })
  await fresh.write()
  t.strictSame([fresh.asked.length, fresh.server.segment.slice(0, 2)], [1, '1-'])
})

t.test('a lane that another node settles first is used as settled', async (t) => {
  const server = new Server('m2', '1-a.x', 5, 'm1')
  const node = nodeOn(server, { peers: ['b'] })
  node.answers = [{ lanes: [{ verdict: 'kept', covered: [], uncovered: [] }], peers: ['self'] }]
  let looks = 0
  server.onLook = () => { if (++looks === 2) Object.assign(server, { run: 'm2', segment: '1-a.y' }) }
  const ask = node.lineage.ready(node.lane)
  server.master = 'm3'
  await ask
  t.match([server.run, server.segment], ['m3', /^1-a\./])
  node.answers = ['nonsense', null]
  await node.write()
})

t.test('a node stops waiting for others once its connection is closed', async (t) => {
  const node = nodeOn(new Server('m2', '1-a.x', 5, 'm1'), { peers: ['silent'] })
  const writing = node.write()
  await until(() => node.asked.length > 0)
  node.server.do = async () => { throw unavailable('the engine is closed') }
  await t.rejects(writing, { code: 'WSM_ERR_UNAVAILABLE' })
})

t.test('a call counted in a lane passes on any error other than UNSURE', async (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  server.do = async () => { throw new Error('no') }
  await t.rejects(node.write(), { message: 'no' })
})

t.test('a leaving node passes its sightings on to the others', async (t) => {
  const goes = nodeOn(new Server('m1', '1-a.x', 5))
  await goes.write()
  const lanes: Lane[] = Array.from({ length: 600 }, (_, at) => goes.lineage.lane(`lane ${at}`))
  for (const lane of lanes) lane.enter('1-a.x', 3, 1)
  goes.lineage.lane('unused')
  await goes.lineage.handOver(100)
  t.equal(goes.asked.length, 2)
  const stays = nodeOn(new Server('m1', '1-a.x', 9), { peers: ['self', 'other'] })
  for (const { kind, data } of goes.asked) t.equal(stays.ask(kind, { ...data as object, from: 'other' }), true)
  t.match([stays.lane.number, stays.lineage.lane('lane 599').number, [...stays.peers.alive]], [6, 3, []])
  for (const kind of ['lanes', 'farewell']) t.notOk(stays.ask(kind, 'nonsense'))
})

t.test('a message from an old master after the testimony is not accounted for by it', async (t) => {
  const old = new Server('m1', '1-a.x', 5)
  const node = nodeOn(old)
  await node.write()
  const next = old.promote('m2')
  t.match(node.askAbout(next), { lanes: [{ verdict: 'kept' }] })
  Object.assign(next, { run: 'm2', segment: '1-a.y', ended: [['1-a.x', next.number]] })
  node.lineage.seen(node.lane, '1-a.x', old.number + 1)
  node.server = next
  await node.write()
  await until(() => next.segment.startsWith('2-'))
})

t.test('a node that had seen nothing accepts nothing from a server after an inquiry about it failed', async (t) => {
  const old = new Server('m1', '1-a.x', 5)
  const node = nodeOn(old)
  t.match(node.askAbout(old.promote('m2')), { lanes: [{ verdict: null }] })
  await node.write()
  t.match(old.segment, /^2-/)
})

t.test('a leaving node passes on unsettled sightings, and the dead nodes it knows', async (t) => {
  const goes = nodeOn(new Server('m1', '1-a.x', 5))
  await goes.write()
  goes.lane.keepOpen('1-a.w', 9)
  goes.peers.died('dead')
  await goes.lineage.handOver(100)
  const server = new Server('m1', '1-a.x', 6)
  const stays = nodeOn(server)
  await stays.write()
  stays.peers.heard('here')
  for (const { kind, data } of goes.asked) stays.ask(kind, { ...data as object, from: 'goes', dead: ['dead', 'self', 'here'] })
  t.strictSame(stays.peers.dead, ['dead'])
  await until(() => server.segment !== '1-a.x')
  stays.ask('farewell', { from: 'other', dead: [], isLast: true, lanes: [{ key: 'lane', segment: '9-z.z', number: 1 }] })
  t.match([stays.lane.segment, stays.generations], ['9-z.z', 1])
})

t.test('a leaving node waits for calls in flight, and accepts no new ones', async (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  const writing = node.write()
  const leaving = node.lineage.handOver(100)
  await t.rejects(node.write(), { code: 'WSM_ERR_UNAVAILABLE' })
  await Promise.all([writing, leaving])
  t.match(node.asked, [{ data: { lanes: [{ number: 6 }] } }])
})

t.test('a server with a lower number in the same segment counts as restored', async (t) => {
  const server = new Server('m1', '1-a.x', 5)
  const node = nodeOn(server)
  await node.write()
  server.number = 3
  t.equal(await node.write(), 'done')
  t.match(server.segment, /^2-/)
})
