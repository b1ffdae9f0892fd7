import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { ConfirmationRecord } from '../../../schemas/records.js'
import type { Clock } from '../engine.js'
import type { RedisCluster } from './cluster.js'

/** Kind under which nodes ask each other for ends of questions. */
const KIND = 'ends'
const ASK_MS = 500

const Ids = Type.Array(Type.String())
const Known = Type.Object({
  /** In the order of the ids, as the stream of ends has them. */
  ends: Type.Array(Type.Union([Type.String(), Type.Null()])),
  /** The time since when the node has heard of every end; null: a node has died lately, perhaps with an end that only it knew. */
  since: Type.Union([Type.Number(), Type.Null()])
})
type Known = Static<typeof Known>

const checkIds = TypeCompiler.Compile(Ids)
const checkKnown = TypeCompiler.Compile(Known)

/** How a doubt is resolved: the end, as an entry of the stream of ends; open for certain; or open, though it may have ended. */
export type Answer = { end: string } | 'open' | 'uncertain'

/** Asks all nodes how questions ended whose ends Redis may have lost. */
export class Doubts {
  readonly #cluster: RedisCluster
  readonly #clock: Clock
  readonly #endOf: (id: string) => string | null
  readonly #startedAt = performance.now()

  /** @param endOf the end that this node knows itself */
  constructor (cluster: RedisCluster, clock: Clock, endOf: (id: string) => string | null) {
    this.#cluster = cluster
    this.#clock = clock
    this.#endOf = endOf
    cluster.onAsk(KIND, (ids) => checkIds.Check(ids) ? this.#known(ids) : null)
  }

  /** In the order of the records. */
  async resolve (records: readonly ConfirmationRecord[]): Promise<Answer[]> {
    const ids = records.map(({ callback_id: id }) => id)
    const answers = await this.#cluster.askPeers(KIND, ids, ASK_MS)
    const all = [this.#known(ids), ...answers.map(({ data }) => data).filter((data) => checkKnown.Check(data) && data.ends.length === ids.length)] as Known[]
    const isComplete = [...this.#cluster.peers.alive].every((peer) => answers.some(({ node_id: node }) => node === peer))
    return records.map(({ created_at: createdAt }, at) => {
      const end = all.map(({ ends }) => ends[at]!).find((known) => known !== null)
      if (end !== undefined) return { end }
      return isComplete && all.some(({ since }) => since !== null && since <= createdAt) ? 'open' : 'uncertain'
    })
  }

  #known (ids: readonly string[]): Known {
    const since = this.#clock.now() - (performance.now() - this.#startedAt)
    return { ends: ids.map(this.#endOf), since: this.#cluster.peers.hasDied ? null : since }
  }
}
