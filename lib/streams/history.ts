import type { StreamHistory } from '../../schemas/records.js'
import type { StreamHistoryPage } from '../../schemas/rest.js'
import type { Engine, Position } from '../engine/engine.js'
import { toObject } from '../protocol/delivery.js'
import { PAGE_BOUNDS, PAGE_SIZE } from './catch-up.js'

/** Size of a page that is answered at once. */
const ANSWER_BYTES = 1_048_576

/** Reads what the streams still have, for the app and for users. */
export class History {
  readonly #engine: Engine

  constructor (engine: Engine) {
    this.#engine = engine
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
    return { messages: deliveries.map(toObject), position: deliveries.at(-1)?.position ?? top, complete: isComplete && page.isComplete }
  }

  /**
   * A part of it.
   *
   * @param notBefore when the oldest message that may be read was published, milliseconds since 1970
   */
  async page (topic: string, since: Position | null, limit: number, notBefore: number): Promise<StreamHistoryPage> {
    const { entries, isComplete, top } = await this.#engine.history(topic, since, limit, { maxBytes: ANSWER_BYTES, notBefore })
    const position = entries.at(-1)?.position ?? top
    const isLast = position.offset === top.offset
    return { messages: entries.map(toObject), position, complete: isComplete, next: isLast ? null : `${position.offset}:${position.epoch}` }
  }
}
