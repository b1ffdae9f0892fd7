/**
 * Fate of a request that failed.
 *
 * - `not-sent`: it was never sent.
 * - `refused`: the server refused it, or its handler failed with an error of the app.
 * - `unknown`: it was sent, and may have taken effect.
 */
export type Delivery = 'not-sent' | 'refused' | 'unknown'

/** Error codes of the server after which the request may have taken effect. */
export const UNCERTAIN = ['unavailable', 'identity_changed', 'internal', 'outcome_unknown']

export interface WsErrorOptions { details?: unknown, delivery?: Delivery, cause?: unknown }

/**
 * A request, or the connection, has failed.
 *
 * Codes are those of the server (`forbidden`, `invalid_message`, …), those of the app, and these of the client: `timeout`, `aborted`, `queue_full`,
 * `disconnected`, `closed`, `signed_out`, `overflow`, `bad_answer`, `no_token`, `old_state`, `too_large`.
 */
export class WsError extends Error {
  override readonly name = 'WsError'
  readonly code: string
  /** Details from the server, such as the faulty fields of `invalid_message`; undefined: none. */
  readonly details: unknown
  readonly delivery: Delivery

  constructor (code: string, message: string, { details, delivery = 'not-sent', ...cause }: WsErrorOptions = {}) {
    super(message, cause)
    this.code = code
    this.details = details
    this.delivery = delivery
  }
}
