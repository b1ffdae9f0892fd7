import type { ChannelHistory } from '../../schemas/records.js'
import type { Engine, Position } from '../engine/engine.js'
import { toObject } from '../protocol/delivery.js'
import { PAGE_BOUNDS, PAGE_SIZE } from './catch-up.js'

/** Reads what the streams still have, for the app. */
export class History {
  readonly #engine: Engine

  constructor (engine: Engine) {
    this.#engine = engine
  }

  /** From a position on, or from the oldest; to where the stream was at the first reading. */
  async read (topic: string, since: Position | null): Promise<ChannelHistory> {
    let page = await this.#engine.history(topic, since, PAGE_SIZE, PAGE_BOUNDS)
    const { top, isComplete } = page
    const deliveries = [...page.entries]
    while (page.isComplete && page.entries.length > 0 && deliveries.at(-1)!.position!.offset < top.offset) {
      page = await this.#engine.history(topic, deliveries.at(-1)!.position, PAGE_SIZE, PAGE_BOUNDS)
      deliveries.push(...page.entries)
    }
    return { messages: deliveries.map(toObject), position: deliveries.at(-1)?.position ?? top, complete: isComplete && page.isComplete }
  }
}
