/**
 * The closed list of codes that an `error` frame can carry. REST answers use the same codes in their long form,
 * `WSM_ERR_` followed by the code in capitals.
 */
export const errorCodes = [
  /** The frame is not valid JSON. */
  'bad_json',
  /** The frame is not an object, or has no string `type`. */
  'bad_frame',
  /** The frame, or the body of a REST request, is nested deeper than `limits.maxDepth`. */
  'too_deep',
  /** No built-in frame and no handler of the app has this `type`. */
  'unknown_type',
  /** A field is missing, unknown or of the wrong type; `details` lists them. */
  'invalid_message',
  /** The token is missing, malformed, expired, revoked or wrong, or this socket has not authenticated yet. */
  'unauthorized',
  /** The user may not do this. */
  'forbidden',
  /** What the frame names does not exist. */
  'not_found',
  /** The question has its answer already, or the task has ended; `details` says how. */
  'already_settled',
  /** The connection is a member of `limits.maxChannelsPerConnection` channels already. */
  'too_many_channels',
  /** `limits.maxPendingHandlers` frames of this connection are being handled, or `limits.maxPendingRequests` REST requests are being answered. */
  'too_many_pending',
  /** The user exceeded an allowance of frames, bytes, joins or tickets, or the address one of upgrades or sockets. */
  'rate_limited',
  /** The user has `limits.maxConnectionsPerUser` connections already. */
  'too_many_connections',
  /** The user has a connection already, and may have one only (`onDuplicateUser: 'refuse'`). */
  'already_connected',
  /** `limits.maxPendingConfirmationsPerUser` questions wait for the user's answer. */
  'too_many_confirmations',
  /** The socket became another user's before the frame was answered; it may have been carried out. */
  'identity_changed',
  /** Something that the server depends on is out of reach; try again later. */
  'unavailable',
  /** The server failed; its log says why. */
  'internal'
] as const

/** One of {@link errorCodes}. */
export type ErrorCode = typeof errorCodes[number]

/**
 * The errors that count towards `limits.maxErrorsPerMinute`: those that a client makes by itself. What others do meanwhile, the clock
 * and limits that have a cap of their own can cause all the rest.
 */
export const countedCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'bad_json', 'bad_frame', 'too_deep', 'unknown_type', 'invalid_message', 'unauthorized', 'forbidden', 'too_many_channels'
])
