import type { StreamHistory } from '../../schemas/records.js'
import type { StreamHistoryPage } from '../../schemas/rest.js'
import type { Engine, StreamPosition } from '../engine/engine.js'
import { toObject } from '../protocol/delivery.js'
import { PAGE_BOUNDS, PAGE_SIZE } from './catch-up.js'
import type { StreamRules } from './stream-rules.js'

/** Maximum size of a page for REST. */
const ANSWER_BYTES = 1_048_576

/** The part of a stream that a caller may read. */
export interface Readable {
  /** Only messages published from this moment on may be read, milliseconds since 1970; 0: all. */
  notBefore: number
  /** True if only the last message may be read, as for sockets in a channel with `recover: 'latest'`. */
  isLatest: boolean
}

/** Reads the histories of streams, for the app and for users. For a stream without history, `complete` is always false. */
export class History {
  readonly #engine: Engine
  readonly #rules: StreamRules

  constructor (engine: Engine, rules: StreamRules) {
    this.#engine = engine
    this.#rules = rules
  }

  /** Reads from a position, or from the oldest message, up to the end of the stream as of the first read. */
  async read (topic: string, since: StreamPosition | null): Promise<StreamHistory> {
    let page = await this.#engine.history(topic, since, PAGE_SIZE, PAGE_BOUNDS)
    const { top, isComplete } = page
    const deliveries = [...page.entries]
    while (page.isComplete && page.entries.length > 0 && deliveries.at(-1)!.position!.offset < top.offset) {
      page = await this.#engine.history(topic, deliveries.at(-1)!.position, PAGE_SIZE, PAGE_BOUNDS)
      deliveries.push(...page.entries)
    }
    return { messages: deliveries.map(toObject), position: deliveries.at(-1)?.position ?? top, complete: this.#isKept(topic) && isComplete && page.isComplete }
  }

  /** Returns where a stream is now; null: it keeps no history. */
  async position (topic: string): Promise<StreamPosition | null> {
    return this.#isKept(topic) ? (await this.#engine.history(topic, null, 0)).top : null
  }

  /** Reads a page of at most `limit` readable messages. */
  async page (topic: string, since: StreamPosition | null, limit: number, { notBefore, isLatest }: Readable): Promise<StreamHistoryPage> {
    const from = isLatest ? await this.#beforeLatest(topic, since) : since
    const { entries, isComplete, top } = await this.#engine.history(topic, from, isLatest ? 1 : limit, { maxBytes: ANSWER_BYTES, notBefore })
    const position = entries.at(-1)?.position ?? top
    const isLast = position.offset === top.offset
    return { messages: entries.map(toObject), position, complete: this.#isKept(topic) && isComplete, next: isLast ? null : `${position.offset}:${position.epoch}` }
  }

  /** Returns the position before the last message; `since` itself if the reader has that message or there is none. */
  async #beforeLatest (topic: string, since: StreamPosition | null): Promise<StreamPosition | null> {
    const { top: { epoch, offset } } = await this.#engine.history(topic, null, 0)
    return offset === 0 || (since?.epoch === epoch && since.offset === offset) ? since : { epoch, offset: offset - 1 }
  }

  #isKept (topic: string): boolean {
    return this.#rules.of(topic).retention !== null
  }
}
