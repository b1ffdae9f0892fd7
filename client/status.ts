/**
 * - `connecting`: the first socket is not open yet.
 * - `connected`: the server has greeted the socket.
 * - `reconnecting`: the socket is lost; the client waits for the next attempt, or makes it.
 * - `restarting`: the server closes and has named a time to come back.
 * - `offline`: the device has no network.
 * - `signed-out`: there is no token that the server accepts. Only `connect()` opens another socket.
 * - `closed`: by `close()`, or by the server for good. Only `connect()` opens another socket.
 */
export type Status = 'connecting' | 'connected' | 'reconnecting' | 'restarting' | 'offline' | 'signed-out' | 'closed'

/** A status in which the client does not reconnect by itself. */
export type EndStatus = 'signed-out' | 'closed'
export const isOver = (status: Status): status is EndStatus => status === 'signed-out' || status === 'closed'
/** Error code for a status: `signed_out` for `signed-out`. */
export const codeOf = (status: Status): string => status.replace('-', '_')

/** Details of a status; each is missing where it does not apply. */
export interface StatusDetail {
  /** Why the latest socket ended, or why none could be opened. For people; it is no code. */
  reason?: string
  /** Close code of the server. */
  code?: number | undefined
  /** When the next attempt begins, on the clock of `Date.now()`. */
  retryAt?: number
}
