import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { ConfirmationRecord } from '../../../schemas/records.js'
import type { Clock } from '../engine.js'
import type { RedisCluster } from './cluster.js'
import type { KnownEnds } from './known-ends.js'

/** Message kind by which nodes ask each other for ends of questions. */
const INQUIRY_KIND = 'ends'
const ASK_MS = 500
/** Message kind by which a leaving node passes on its latest ends: those of the last minute, up to a maximum. */
const FAREWELL_KIND = 'ends-left'
const LATEST_MS = 60_000
const MAX_LEFT = 500

const Texts = Type.Array(Type.String())
const Known = Type.Object({
  /** In the order of the ids, as entries of the stream of ended questions. */
  ends: Type.Array(Type.Union([Type.String(), Type.Null()])),
  /** Time since which the node has received every end; null: a node died recently, perhaps with an end that only it knew. */
  since: Type.Union([Type.Number(), Type.Null()])
})
type Known = Static<typeof Known>

const checkTexts = TypeCompiler.Compile(Texts)
const checkKnown = TypeCompiler.Compile(Known)

/** Resolution of a doubt: the end, as an entry of the stream of ended questions; certainly open; or open, but possibly ended. */
export type Answer = { end: string } | 'open' | 'uncertain'

/** Asks all nodes about the ends of questions that Redis may have lost. */
export class Doubts {
  readonly #cluster: RedisCluster
  readonly #clock: Clock
  readonly #ends: KnownEnds
  readonly #startedAt = performance.now()

  /**
   * @param ends those known to this node
   * @param receive called with the ends that a leaving node passes on
   */
  constructor (cluster: RedisCluster, clock: Clock, ends: KnownEnds, receive: (json: string) => void) {
    this.#cluster = cluster
    this.#clock = clock
    this.#ends = ends
    cluster.onAsk(INQUIRY_KIND, (ids) => checkTexts.Check(ids) ? this.#known(ids) : null)
    cluster.onAsk(FAREWELL_KIND, (left) => checkTexts.Check(left) && left.map(receive).length)
  }

  /** Passes the latest ends on before this node leaves: the others may not have received them yet. */
  async handOver (): Promise<void> {
    const latest = [...this.#ends.values(LATEST_MS)].slice(-MAX_LEFT)
    if (latest.length > 0) await this.#cluster.askPeers(FAREWELL_KIND, latest, ASK_MS)
  }

  /** Returns the resolutions in the order of the records. */
  async resolve (records: readonly ConfirmationRecord[]): Promise<Answer[]> {
    const ids = records.map(({ callback_id: id }) => id)
    const answers = await this.#cluster.askPeers(INQUIRY_KIND, ids, ASK_MS)
    const all = [this.#known(ids), ...answers.map(({ data }) => data).filter((data) => checkKnown.Check(data) && data.ends.length === ids.length)] as Known[]
    const isComplete = [...this.#cluster.peers.alive].every((peer) => answers.some(({ node_id: node }) => node === peer))
    return records.map(({ created_at: createdAt }, at) => {
      const end = all.map(({ ends }) => ends[at]!).find((known) => known !== null)
      if (end !== undefined) return { end }
      return isComplete && all.some(({ since }) => since !== null && since <= createdAt) ? 'open' : 'uncertain'
    })
  }

  #known (ids: readonly string[]): Known {
    const startedAt = this.#clock.now() - (performance.now() - this.#startedAt)
    const since = Math.max(startedAt, this.#ends.forgottenUntil + 1)
    return { ends: ids.map((id) => this.#ends.get(id)), since: this.#cluster.peers.dead.length > 0 ? null : since }
  }
}
