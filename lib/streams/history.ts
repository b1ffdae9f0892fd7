import type { StreamHistory } from '../../schemas/records.js'
import type { StreamHistoryPage } from '../../schemas/rest.js'
import type { Engine, Position } from '../engine/engine.js'
import { toObject } from '../protocol/delivery.js'
import { PAGE_BOUNDS, PAGE_SIZE } from './catch-up.js'
import type { StreamRules } from './stream-rules.js'

/** Size of a page that is answered at once. */
const ANSWER_BYTES = 1_048_576

/** The part of a stream that a caller may read. */
export interface Readable {
  /** When the oldest message that may be read was published, milliseconds since 1970; 0: any. */
  notBefore: number
  /** Whether only the last message may be read, as a socket gets it of a channel for late values. */
  isLatest: boolean
}

/** Reads what the streams still have, for the app and for users. Of a stream that is not kept nothing is ever complete. */
export class History {
  readonly #engine: Engine
  readonly #rules: StreamRules

  constructor (engine: Engine, rules: StreamRules) {
    this.#engine = engine
    this.#rules = rules
  }

  /** From a position on, or from the oldest; to where the stream was at the first reading. */
  async read (topic: string, since: Position | null): Promise<StreamHistory> {
    let page = await this.#engine.history(topic, since, PAGE_SIZE, PAGE_BOUNDS)
    const { top, isComplete } = page
    const deliveries = [...page.entries]
    while (page.isComplete && page.entries.length > 0 && deliveries.at(-1)!.position!.offset < top.offset) {
      page = await this.#engine.history(topic, deliveries.at(-1)!.position, PAGE_SIZE, PAGE_BOUNDS)
      deliveries.push(...page.entries)
    }
    return { messages: deliveries.map(toObject), position: deliveries.at(-1)?.position ?? top, complete: this.#isKept(topic) && isComplete && page.isComplete }
  }

  /** A part of it: what is readable, at most `limit` messages. */
  async page (topic: string, since: Position | null, limit: number, { notBefore, isLatest }: Readable): Promise<StreamHistoryPage> {
    const from = isLatest ? await this.#beforeLatest(topic, since) : since
    const { entries, isComplete, top } = await this.#engine.history(topic, from, isLatest ? 1 : limit, { maxBytes: ANSWER_BYTES, notBefore })
    const position = entries.at(-1)?.position ?? top
    const isLast = position.offset === top.offset
    return { messages: entries.map(toObject), position, complete: this.#isKept(topic) && isComplete, next: isLast ? null : `${position.offset}:${position.epoch}` }
  }

  /** The position before the last message; that of a reader who has it, or of a stream without messages, as it is. */
  async #beforeLatest (topic: string, since: Position | null): Promise<Position | null> {
    const { top: { epoch, offset } } = await this.#engine.history(topic, null, 0)
    return offset === 0 || (since?.epoch === epoch && since.offset === offset) ? since : { epoch, offset: offset - 1 }
  }

  #isKept (topic: string): boolean {
    return this.#rules.of(topic).retention !== null
  }
}
