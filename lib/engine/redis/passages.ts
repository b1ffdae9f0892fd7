import type { Delivery, Publication } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'

export interface PassageEvents {
  isSubscribed: (topic: string) => boolean
  /** Tells whether everything that this node has published on a topic has been delivered here. */
  isUpToDate: (topic: string) => boolean
  deliver: (delivery: Delivery) => void
  /** Publishes to all nodes, this one included. */
  publish: (publication: Publication) => Promise<unknown>
  fail: (error: unknown) => void
}

/**
 * Publications of this node that are not kept. Each reaches the sockets of this node once, whatever becomes of Redis: at once, or
 * behind what this node has published before on the topic and is still on its way. What comes back from Redis is known by a mark
 * among the sockets that do not get it, which nodes of earlier versions take for one of another node.
 */
export class Passages {
  readonly #nodeId: string
  readonly #events: PassageEvents
  /** Those that have not been delivered here yet, by topic and mark, in order. */
  readonly #waiting = new Map<string, Map<string, Publication>>()
  /** The topics of these, by mark. One that Redis does not pass on is delivered when its time is over. */
  readonly #late: ExpiringMap<string, { topic: string, mark: string }>
  /** Each gives up the wait for Redis. */
  readonly #giveUps = new Set<() => void>()
  #number = 0
  #isClosed = false

  /** @param timeoutMs how long `publish` takes at the most */
  constructor (nodeId: string, timeoutMs: number, events: PassageEvents) {
    this.#nodeId = nodeId
    this.#events = events
    this.#late = new ExpiringMap(2 * timeoutMs, ({ topic, mark }) => this.#release(topic, mark))
  }

  /** Resolves to whether the other nodes get it. Never rejects. */
  async pass (publication: Publication, isReachable: boolean): Promise<boolean> {
    const { topic, except = [] } = publication
    // Nobody is here: whoever comes before it is passed on may have it from Redis.
    if (!this.#events.isSubscribed(topic)) return isReachable && this.#publish(publication)
    const mark = `${this.#nodeId} ${++this.#number}`
    if (!isReachable) {
      this.#release(topic)
      this.#deliver(publication)
      return false
    }
    if (this.#events.isUpToDate(topic) && !this.#waiting.has(topic)) this.#deliver(publication)
    else this.#wait(mark, publication)
    const isPassed = await this.#publish({ ...publication, except: [...except, mark] })
    if (!isPassed) this.#release(topic, mark)
    return isPassed
  }

  /** Delivers what has come from Redis, unless it was delivered before. */
  receive (delivery: Delivery): void {
    const mark = delivery.except?.at(-1)
    if (mark?.startsWith(`${this.#nodeId} `) === true) this.#release(delivery.topic, mark)
    else this.#events.deliver(delivery)
  }

  /** Redis is away: nothing under way waits for it any longer, though it may still be passed on. */
  giveUp (): void {
    for (const giveUp of this.#giveUps) giveUp()
  }

  /** The topic is not subscribed to any more. */
  forget (topic: string): void {
    for (const mark of this.#waiting.get(topic)?.keys() ?? []) this.#late.delete(mark)
    this.#waiting.delete(topic)
  }

  close (): void {
    this.#isClosed = true
    this.#waiting.clear()
    this.#late.clear()
  }

  #publish (publication: Publication): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (isPassed: boolean) => {
        this.#giveUps.delete(giveUp)
        resolve(isPassed)
      }
      const giveUp = () => settle(false)
      this.#giveUps.add(giveUp)
      this.#events.publish(publication).then(() => settle(true), (error) => {
        this.#events.fail(error)
        settle(false)
      })
    })
  }

  #deliver (publication: Publication): void {
    if (!this.#isClosed) this.#events.deliver({ ...publication, position: null })
  }

  #wait (mark: string, publication: Publication): void {
    const { topic } = publication
    const waiting = this.#waiting.get(topic)
    if (waiting === undefined) this.#waiting.set(topic, new Map([[mark, publication]]))
    else waiting.set(mark, publication)
    this.#late.set(mark, { topic, mark })
  }

  /** Delivers those of a topic, or up to a mark if that one is still waiting: what was lost on the way comes before it. */
  #release (topic: string, last?: string): void {
    const waiting = this.#waiting.get(topic)
    if (waiting === undefined || (last !== undefined && !waiting.has(last))) return
    for (const [mark, publication] of waiting) {
      waiting.delete(mark)
      this.#late.delete(mark)
      // Before it is delivered: what a listener passes on may be delivered at once then.
      if (waiting.size === 0) this.#waiting.delete(topic)
      this.#deliver(publication)
      if (mark === last) return
    }
  }
}
