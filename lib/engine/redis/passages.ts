import type { Delivery, Publication } from '../engine.js'
import { ExpiringMap } from '../expiring-map.js'

export interface PassageEvents {
  isSubscribed: (topic: string) => boolean
  /** Returns true if everything published by this node on a topic has been delivered here. */
  isUpToDate: (topic: string) => boolean
  deliver: (delivery: Delivery) => void
  /** Publishes to all nodes, including this one. */
  publish: (publication: Publication) => Promise<unknown>
  fail: (error: unknown) => void
}

/**
 * Publications of this node without history. Each reaches this node's sockets once, whatever happens to Redis: immediately, or
 * after earlier publications of this node on the topic that are still in flight. Their echo from Redis is recognized by a mark
 * among the excluded sockets, which nodes of earlier versions treat as another node's.
 */
export class Passages {
  readonly #nodeId: string
  readonly #events: PassageEvents
  /** Undelivered ones, by topic and mark, in order. */
  readonly #waiting = new Map<string, Map<string, Publication>>()
  /** Their topics, by mark. A publication that Redis does not echo is delivered when its entry expires. */
  readonly #late: ExpiringMap<string, { topic: string, mark: string }>
  /** Each cancels a wait for Redis. */
  readonly #giveUps = new Set<() => void>()
  #number = 0
  #isClosed = false

  /** @param timeoutMs maximum duration of `publish` */
  constructor (nodeId: string, timeoutMs: number, events: PassageEvents) {
    this.#nodeId = nodeId
    this.#events = events
    this.#late = new ExpiringMap(2 * timeoutMs, ({ topic, mark }) => this.#release(topic, mark))
  }

  /** Resolves to whether the other nodes receive it. Never rejects. */
  async pass (publication: Publication, isReachable: boolean): Promise<boolean> {
    const { topic, except = [] } = publication
    // No socket is here: one that joins before the echo may receive it from Redis.
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

  /** Delivers a message from Redis, unless it was delivered already. */
  receive (delivery: Delivery): void {
    const mark = delivery.except?.at(-1)
    if (mark?.startsWith(`${this.#nodeId} `) === true) this.#release(delivery.topic, mark)
    else this.#events.deliver(delivery)
  }

  /** Redis is down: stops waiting for all pending publications, though Redis may still echo them. */
  giveUp (): void {
    for (const giveUp of this.#giveUps) giveUp()
  }

  /** Forgets a topic that is no longer subscribed to. */
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

  /** Delivers the pending publications of a topic, or those up to a mark if that one is still pending: publications lost on the way precede it. */
  #release (topic: string, last?: string): void {
    const waiting = this.#waiting.get(topic)
    if (waiting === undefined || (last !== undefined && !waiting.has(last))) return
    for (const [mark, publication] of waiting) {
      waiting.delete(mark)
      this.#late.delete(mark)
      // Before the delivery: publications passed on by a listener may then be delivered immediately.
      if (waiting.size === 0) this.#waiting.delete(topic)
      this.#deliver(publication)
      if (mark === last) return
    }
  }
}
