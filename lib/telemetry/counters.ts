import { Rejected } from '../../schemas/records.js'

/** What this node has counted since it started. */
export class Counters {
  /** Sockets that were cut because they did not read. */
  slowDisconnects = 0
  /** Messages that were left out for sockets that did not read. */
  messagesDropped = 0
  /** What was refused, by the limit. */
  readonly refusals = Object.fromEntries(Object.keys(Rejected.properties).map((limit) => [limit, 0])) as Rejected
}
