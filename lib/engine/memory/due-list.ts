import { compareTexts } from '../../pages.js'
import type { DueTime } from '../engine.js'
import { OrderedSet } from '../ordered-set.js'

/** A due time of a question. */
export interface Due extends DueTime { callbackId: string }

/** Due times in order; a taken one is under a lease. */
export class DueList {
  #inOrder = new OrderedSet<Due>(byTime)
  readonly #byQuestion = new Map<string, Due[]>()

  add (callbackId: string, times: readonly DueTime[]): void {
    const dues = times.map((time) => ({ ...time, callbackId }))
    if (dues.length > 0) this.#byQuestion.set(callbackId, dues)
    for (const due of dues) this.#inOrder.add(due)
  }

  /** Removes a question's due time; by default all of them. */
  remove (callbackId: string, kind?: string): void {
    const rest: Due[] = []
    for (const due of this.#byQuestion.get(callbackId) ?? []) {
      if (kind === undefined || due.kind === kind) this.#inOrder.delete(due)
      else rest.push(due)
    }
    if (rest.length > 0) this.#byQuestion.set(callbackId, rest)
    else this.#byQuestion.delete(callbackId)
  }

  /** See `ConfirmationStore.takeDue`. */
  take (now: number, limit: number, leaseMs: number): { taken: Due[], nextInMs: number | null } {
    const taken: Due[] = []
    for (const due of this.#inOrder.values()) {
      if (due.at > now || taken.length === limit) break
      taken.push(due)
    }
    for (const due of taken) {
      this.#inOrder.delete(due)
      due.at = now + leaseMs
      this.#inOrder.add(due)
    }
    const { value: next } = this.#inOrder.values().next()
    return { taken, nextInMs: next === undefined ? null : Math.max(0, next.at - now) }
  }

  clear (): void {
    this.#inOrder = new OrderedSet(byTime)
    this.#byQuestion.clear()
  }
}

function byTime (a: Due, b: Due): number {
  return a.at - b.at || compareTexts(a.callbackId, b.callbackId) || compareTexts(a.kind, b.kind)
}
