import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { Batches } from './batches.js'
import type { RedisCluster } from './cluster.js'
import type { Commands } from './commands.js'
import { isReply } from './error-replies.js'
import { unavailable, type Deadline } from './deadline.js'
import { asMarks, generationOf, has, Lane, orderOf, type LaneState } from './lane.js'
import * as scripts from './lane-scripts.js'
import type { Script } from './lua.js'
import { conclude, inquire, isFarewell, isInquiry, isTestimony, testify, type Conclusion, type Farewell, type Testimony } from './testimony.js'

/** The parts of the engine that lanes need. */
interface LineageParts { commands: Commands, cluster: RedisCluster, log: FastifyBaseLogger }

export interface LineageSettings {
  /** Time for nodes to answer before what they may have seen counts as lost. */
  graceMs: number
}

export interface LineageEvents {
  /** Writes in a lane may be lost, so it has a new generation. */
  onGeneration: (lane: Lane) => void
}

interface Judged { lane: Lane, state: LaneState }

/** Time for nodes to answer before they are asked again. */
const ASK_MS = 250
/** Pause between two attempts to settle a lane. */
const PAUSE_MS = 50
/** Kinds of messages between nodes: an inquiry about lanes, and the sightings of a leaving node. */
const KIND = 'lanes'
const FAREWELL = 'farewell'
/** Maximum number of lanes in one message. */
const AT_ONCE = 500

/**
 * Runs scripts only on servers known to have every write that a node has seen.
 *
 * A restarted or promoted server has the writes up to some point, and may have lost the rest. Scripts refuse to run on it until
 * the nodes have settled that: each remembers the highest number that it has seen in the lane, in replies and messages. If the
 * server has all of them, everything continues. If one is missing, a node does not answer in time, or no node is left that has
 * seen any, the lane gets a new generation, and data of the old one is no longer valid: streams begin a new epoch. So no client
 * is told that nothing is missing unless that is certain, and a restart without loss goes unnoticed.
 */
export class Lineage {
  readonly #commands: Commands
  readonly #cluster: RedisCluster
  readonly #settings: LineageSettings
  readonly #events: LineageEvents
  readonly #log: FastifyBaseLogger
  readonly #lanes = new Map<string, Lane>()
  readonly #judgements: Batches<Judged, Conclusion | null>
  readonly #examining = new Set<Lane>()
  #isLeaving = false
  #running = 0
  #onIdle: () => void = () => {}

  constructor ({ commands, cluster, log }: LineageParts, settings: LineageSettings, events: LineageEvents) {
    this.#commands = commands
    this.#cluster = cluster
    this.#settings = settings
    this.#events = events
    this.#log = log
    this.#judgements = new Batches(settings.graceMs, (batch) => this.#judge(batch))
    cluster.onAsk(KIND, (data) => isInquiry(data) ? testify(data, (key) => this.lane(key), cluster.peers) : null)
    cluster.onAsk(FAREWELL, (data) => isFarewell(data) && this.#takeOver(data))
  }

  /** @param key of the lane: see `Keys.lane` */
  lane (key: string): Lane {
    let lane = this.#lanes.get(key)
    if (lane === undefined) this.#lanes.set(key, lane = new Lane(key))
    return lane
  }

  /**
   * Runs a script that is counted in a lane; see `Commands.run`.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  run (lane: Lane, script: Script, keys: readonly string[], args: (string | number)[], deadline = this.#commands.deadline()): Promise<unknown> {
    return this.#run(lane, script, [...keys, lane.key], args, deadline)
  }

  // Hot: a single function, since each further promise costs a microsecond.
  async #run (lane: Lane, script: Script, keys: string[], args: (string | number)[], deadline: Deadline): Promise<unknown> {
    if (this.#isLeaving) throw unavailable('the engine is closed')
    this.#running++
    try {
      for (;;) {
        const { segment: before, number: least } = lane
        try {
          const [segment, number, result] = await this.#commands.run(script, keys, args, deadline) as [string, number, unknown]
          if (lane.fence !== null && (segment === lane.segment || segment === lane.fence.segment) && await this.#isOver(lane, segment, number)) continue
          // Older data was restored into a running server.
          if (segment === before && number < least) {
            await this.#settle(lane, await this.#look(lane), 'lost')
            continue
          }
          if (!lane.advance(segment, number, this.#era)) this.#enter(lane, segment, number)
          return result
        } catch (error) {
          if (!isReply(error, 'UNSURE')) throw error
        }
        await deadline.race(this.#settled(lane))
      }
    } finally {
      if (--this.#running === 0) this.#onIdle()
    }
  }

  /** Records the number of a message. Hot: runs for every message from Redis. */
  seen (lane: Lane, segment: string, number: number): void {
    if (lane.advance(segment, number, this.#era)) return
    if (lane.segment === '') this.#enter(lane, segment, number)
    // The next call detects another generation; the streams of this message have ended.
    else if (generationOf(segment) === generationOf(lane.segment)) {
      lane.keepOpen(segment, number)
      this.#examine(lane)
    }
  }

  /**
   * Resolves once a lane is settled, however long that takes.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  async ready (lane: Lane): Promise<void> {
    const state = await this.#look(lane)
    if (state.run !== state.master) await this.#settled(lane)
  }

  /** Re-checks sightings that no server was found to have. */
  examineAll (): void {
    for (const lane of this.#lanes.values()) if (lane.open.size > 0) this.#examine(lane)
  }

  /** Passes this node's sightings on before it leaves. Later calls are refused, since no other node would learn of them. */
  async handOver (timeoutMs: number): Promise<void> {
    this.#isLeaving = true
    if (this.#running > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    const { nodeId: from, peers: { dead } } = this.#cluster
    const lanes = [...this.#lanes.values()].flatMap((lane) => [...lane.marks()].map(([segment, number]) => ({ key: lane.key, segment, number })))
    for (let at = 0; at === 0 || at < lanes.length; at += AT_ONCE) {
      const isLast = at + AT_ONCE >= lanes.length
      await this.#cluster.askPeers(FAREWELL, { from, lanes: lanes.slice(at, at + AT_ONCE), dead, isLast }, timeoutMs)
    }
  }

  get #era (): number {
    return this.#cluster.peers.era
  }

  #enter (lane: Lane, segment: string, number: number): void {
    const before = lane.segment
    lane.enter(segment, number, this.#era)
    if (before !== '' && generationOf(before) !== generationOf(segment)) this.#events.onGeneration(lane)
    if (lane.open.size > 0) this.#examine(lane)
  }

  /** Checks that the server has what was seen in other segments; if not, a new generation begins. */
  async #examine (lane: Lane): Promise<void> {
    // The next renewal of the lease checks later sightings.
    if (this.#examining.has(lane)) return
    this.#examining.add(lane)
    try {
      // Later sightings may be newer than this reading.
      const seen = [...lane.open]
      const state = await this.#look(lane)
      if (state.run !== state.master) return
      const isLost = seen.some(([segment, number]) => lane.open.has(segment) && !has(state, segment, number))
      if (isLost && await this.#settle(lane, state, 'lost')) lane.open.clear()
      // Otherwise every further message would cause a check until the next call.
      if (generationOf(state.segment) === generationOf(lane.segment) && !lane.advance(state.segment, state.number, this.#era)) {
        lane.enter(state.segment, state.number, this.#era)
        lane.learn(state)
      }
    } catch (error) {
      this.#log.debug({ err: error }, 'could not check yet whether Redis has lost writes')
    } finally {
      this.#examining.delete(lane)
    }
  }

  /** Resolves to true if a write went to an ended segment: its server does not know that another one was promoted. */
  async #isOver (lane: Lane, segment: string, number: number): Promise<boolean> {
    const { fence } = lane
    const state = await this.#look(lane)
    if (state.segment !== segment) return !has(state, segment, number)
    // The inquiry was about this very server, which kept the segment.
    if (fence?.master === state.master) {
      lane.fence = null
      return false
    }
    await this.#settle(lane, state, 'lost')
    return true
  }

  /** Takes over the sightings of a leaving node. */
  #takeOver ({ from, lanes, dead, isLast }: Farewell): true {
    const { peers } = this.#cluster
    for (const { key, segment, number } of lanes) {
      const lane = this.lane(key)
      if (lane.segment === '' || orderOf(segment) > orderOf(lane.segment)) this.#enter(lane, segment, number)
      else if (!lane.advance(segment, number, this.#era)) {
        lane.keepOpen(segment, number)
        this.#examine(lane)
      }
    }
    for (const id of dead) if (id !== this.#cluster.nodeId) peers.died(id)
    if (isLast) peers.left(from)
    return true
  }

  #settled (lane: Lane): Promise<void> {
    lane.settling ??= this.#settleSoon(lane).finally(() => { lane.settling = null })
    return lane.settling
  }

  async #settleSoon (lane: Lane): Promise<void> {
    const until = performance.now() + this.#settings.graceMs
    for (;;) {
      const state = await this.#look(lane)
      if (state.run === state.master) return
      const verdict = await this.#judgements.push('', { lane, state })
      // A lane unknown to both this node and the server is usually new, so waiting would not help.
      const mayAppear = state.segment !== '' || lane.segment !== ''
      if (verdict === null && mayAppear && performance.now() < until) await sleep(PAUSE_MS)
      else if (await this.#settle(lane, state, verdict ?? (lane.segment === '' ? 'unseen' : 'lost'))) return
    }
  }

  /** Asks all nodes for their sightings. */
  async #judge (batch: Judged[]): Promise<(Conclusion | null)[]> {
    const { peers, nodeId } = this.#cluster
    const inquiry = inquire(batch)
    const own = testify(inquiry, (key) => this.lane(key), peers)
    const testimonies = new Map<string, Testimony>([[nodeId, own]])
    const answers = await this.#cluster.askPeers(KIND, inquiry, ASK_MS)
    for (const { node_id: node, data } of answers) if (isTestimony(data) && data.lanes.length === batch.length) testimonies.set(node, data)
    return batch.map((_judged, index) => conclude(testimonies, index))
  }

  async #look (lane: Lane): Promise<LaneState> {
    const [master, run, segment, number, ended] = await this.#commands.run(scripts.read, [lane.key], []) as [string, string, string, number, string]
    const state = { master, run, segment, number, ended: asMarks(ended) }
    lane.learn(state)
    return state
  }

  /** False: the lane has changed meanwhile, or another node settled it first. */
  async #settle (lane: Lane, state: LaneState, verdict: Conclusion): Promise<boolean> {
    const { master, run, segment } = state
    const isKept = verdict === 'kept'
    const generation = isKept ? generationOf(segment) : `${Math.max(orderOf(segment), orderOf(lane.segment)) + 1}-${name()}`
    // Without a lane, and if no node has seen one, the keys may be those of a version without lanes.
    const adopts = segment === '' && verdict === 'unseen'
    const hasSettled = await this.#commands.run(scripts.settle, [lane.key],
      [master, run, segment, `${generation}.${name()}`, isKept ? '1' : '', adopts ? '1' : '']) === 1
    if (hasSettled && lane.segment !== '') {
      if (isKept) this.#log.info({ lane: lane.key }, 'Redis was restarted or failed over; nothing was lost')
      else this.#log.warn({ lane: lane.key }, 'Redis was restarted or failed over, and may have lost writes; streams begin a new epoch')
    }
    return hasSettled
  }
}

function name (): string {
  return randomBytes(6).toString('base64url').replaceAll('-', '_')
}
