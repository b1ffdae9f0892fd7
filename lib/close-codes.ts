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

/** RFC 6455 section 5.5: a control frame holds 125 bytes, two of which are the code. */
const REASON_BYTES = 123

/** Cuts a close reason to the bytes that fit, never inside a character. */
export function fitReason (reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= REASON_BYTES) return reason
  let end = REASON_BYTES
  // A byte 10xxxxxx continues a UTF-8 character: step back to where that character starts.
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
