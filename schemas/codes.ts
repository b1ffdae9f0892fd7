/** The subprotocol that a client may offer; the server then selects it. */
export const SUBPROTOCOL = 'ws-manager.v1'

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

/**
 * Why the server closes a socket: the codes of RFC 6455 section 7.4.1 and of the IANA registry, and ours from the
 * range for applications. A client comes back after 1001, 1011, 1012, 1013 and 4408; after 4401 with a new token; after
 * 1003, 1008, 1009, 4403 and 4409 not by itself.
 */
export const closeCodes = {
  /** The server closes. */
  goingAway: 1001,
  /** This node closes, and other nodes go on. */
  serviceRestart: 1012,
  /** A binary frame arrived; the protocol is text. */
  unsupportedData: 1003,
  /** Too many errors within a minute, or a frame in too many pieces. */
  policyViolation: 1008,
  /** A frame larger than `limits.maxPayloadBytes`. */
  messageTooBig: 1009,
  /** The server could not admit the socket; its log says why. */
  internalError: 1011,
  /** The node, the user or the address has as many sockets as it may have; or the client sends too fast for too long; or it does not read; or its token cannot be verified now. */
  tryAgainLater: 1013,
  /** The token is missing, malformed, expired, revoked or wrong. */
  unauthorized: 4401,
  /** The connection is not allowed, or was ended by the app or an administrator. */
  forbidden: 4403,
  /** No answer to a ping, or no `auth` frame in time. */
  timeout: 4408,
  /** The user has a newer connection that replaced this one, or an older one that stays (`onDuplicateUser`). */
  replaced: 4409
} as const

/** One of {@link closeCodes}' values. */
export type CloseCode = typeof closeCodes[keyof typeof closeCodes]
