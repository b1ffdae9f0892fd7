/** Subprotocol that a client may offer; the server then selects it. */
export const SUBPROTOCOL = 'ws-manager.v1'

/** All codes that an `error` frame can carry. REST answers use the same codes in their long form, `WSM_ERR_` followed by the code in capitals. */
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
  /** The subject of the frame does not exist. */
  'not_found',
  /** The question is already answered, or the task has ended; `details` has the outcome. */
  'already_settled',
  /** The connection is already a member of `limits.maxChannelsPerConnection` channels. */
  'too_many_channels',
  /** The token names more than `limits.maxRolesPerUser` roles. */
  'too_many_roles',
  /** `limits.maxPendingHandlers` frames of this connection, or `limits.maxPendingRequests` REST requests, are in progress. */
  'too_many_pending',
  /** The user exceeded an allowance of frames, bytes, joins, tickets or remembered calls, or the address one of upgrades or sockets. */
  'rate_limited',
  /** The user already has `limits.maxConnectionsPerUser` connections. */
  'too_many_connections',
  /** The user already has a connection, and may only have one (`onDuplicateUser: 'refuse'`). */
  'already_connected',
  /** The user has `limits.maxPendingConfirmationsPerUser` open questions. */
  'too_many_confirmations',
  /** The socket switched to another user before the frame was answered; the frame may have taken effect. */
  'identity_changed',
  /** A service that the server depends on is unreachable; try again later. */
  'unavailable',
  /** An earlier call with this idempotency key may have taken effect, but its outcome is not known, for example because its server died. It is not run again. */
  'outcome_unknown',
  /** The server failed; its log says why. */
  'internal'
] as const

/** One of {@link errorCodes}. */
export type ErrorCode = typeof errorCodes[number]

/**
 * Errors that count towards `limits.maxErrorsPerMinute`: those that only the client causes. All other errors can result from
 * other clients, from time passing, or from limits with a cap of their own.
 */
export const countedCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'bad_json', 'bad_frame', 'too_deep', 'unknown_type', 'invalid_message', 'unauthorized', 'forbidden', 'too_many_channels', 'too_many_roles'
])

/** Close code for a token that is missing, malformed, expired, revoked or wrong: a client reconnects with another token. */
export const UNAUTHORIZED = 4401

/** Close code for a frame that is too large: a client reconnects without it. */
export const MESSAGE_TOO_BIG = 1009

/** Close codes after which a client does not reconnect by itself: the same attempt would end in the same way. */
export const finalCloseCodes: readonly number[] = [1003, 1008, 4403, 4409]

/**
 * Close codes of the server: those of RFC 6455 section 7.4.1 and the IANA registry, and ours from the range for applications.
 * Clients reconnect by themselves, except after {@link finalCloseCodes}, and with another token after {@link UNAUTHORIZED}.
 */
export const closeCodes = {
  /** The server closes. */
  goingAway: 1001,
  /** This node closes; other nodes keep running. */
  serviceRestart: 1012,
  /** A binary frame arrived; the protocol is text. */
  unsupportedData: 1003,
  /** Too many errors within a minute, or a frame in too many fragments. */
  policyViolation: 1008,
  /** A frame exceeds `limits.maxPayloadBytes`. */
  messageTooBig: MESSAGE_TOO_BIG,
  /** The server could not admit the socket; its log says why. */
  internalError: 1011,
  /**
   * The node, the user or the address has reached its maximum of sockets; or the client sends too fast for too long, or does not
   * read; or its token cannot be verified now.
   */
  tryAgainLater: 1013,
  /** The token is missing, malformed, expired, revoked or wrong. */
  unauthorized: UNAUTHORIZED,
  /** The connection is not allowed, or the app or an administrator closed it. */
  forbidden: 4403,
  /** No answer to a ping, or no `auth` frame in time. */
  timeout: 4408,
  /** A newer connection of the user replaced this one, or an older one was kept (`onDuplicateUser`). */
  replaced: 4409
} as const

/** A value of {@link closeCodes}. */
export type CloseCode = typeof closeCodes[keyof typeof closeCodes]
