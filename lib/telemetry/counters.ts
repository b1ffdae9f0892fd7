import { Rejected } from '../../schemas/records.js'
import type { Counter } from './counter.js'
import { createLimits } from './limits.js'

/** Limits and counters of this node since it started, for the status and for metrics. */
export class Counters {
  readonly limits = createLimits()

  /** All counters. */
  all (): readonly Counter[] {
    return Object.values(this.limits)
  }

  /** Refusals per limit, as in the status. */
  rejected (): Rejected {
    return Object.fromEntries(Object.keys(Rejected.properties).map((name) => [name, this.limits[name as keyof Rejected].value])) as Rejected
  }
}
