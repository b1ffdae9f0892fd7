import { Rejected } from '../../schemas/records.js'

/** Counters of this node since it started. */
export class Counters {
  /** Sockets that were cut because they did not read. */
  slowDisconnects = 0
  /** Messages dropped for sockets that did not read. */
  messagesDropped = 0
  /** Refusals per limit. */
  readonly refusals = Object.fromEntries(Object.keys(Rejected.properties).map((limit) => [limit, 0])) as Rejected
}
