/**
 * What became of a request that failed.
 *
 * - `not-sent`: the server has never seen it.
 * - `refused`: the server has answered that it is not done.
 * - `unknown`: it was sent, and nobody knows whether it took effect.
 */
export type Delivery = 'not-sent' | 'refused' | 'unknown'

/** Codes of the server for requests that may have taken effect. */
export const UNCERTAIN = ['unavailable', 'identity_changed', 'internal', 'outcome_unknown']

export interface WsErrorOptions { details?: unknown, delivery?: Delivery, cause?: unknown }

/**
 * A request, or the connection, has failed.
 *
 * Codes are those of the server (`forbidden`, `invalid_message`, …), those of the app, and these of the client: `timeout`, `aborted`, `queue_full`,
 * `disconnected`, `closed`, `signed_out`, `overflow`, `bad_answer`, `no_token`, `old_state`.
 */
export class WsError extends Error {
  override readonly name = 'WsError'
  readonly code: string
  /** What the server says beside the code, such as the faulty fields of `invalid_message`. */
  readonly details: unknown
  readonly delivery: Delivery

  constructor (code: string, message: string, { details, delivery = 'not-sent', ...cause }: WsErrorOptions = {}) {
    super(message, cause)
    this.code = code
    this.details = details
    this.delivery = delivery
  }
}
