import createError, { type FastifyError } from '@fastify/error'
import { errorCodes, type ErrorCode } from '../schemas/error-codes.js'

/*
 * The one catalogue of errors. The first group can reach a client: as an `error` frame whose code is the part behind
 * `WSM_ERR_` in lower case, or as a REST answer with the status given here. The second group is for the app's
 * developer alone.
 */

export const BadJsonError = createError('WSM_ERR_BAD_JSON', 'The frame is not valid JSON', 400)
export const BadFrameError = createError('WSM_ERR_BAD_FRAME', 'The frame must be an object with a string "type"', 400)
export const TooDeepError = createError<[number]>('WSM_ERR_TOO_DEEP', 'The message is nested deeper than %s levels', 400)
export const UnknownTypeError = createError<[string]>('WSM_ERR_UNKNOWN_TYPE', 'There is no handler for type "%s"', 404)
export const InvalidMessageError = createError<[string]>('WSM_ERR_INVALID_MESSAGE', 'The message is not valid: %s', 400)
export const UnauthorizedError = createError<[string]>('WSM_ERR_UNAUTHORIZED', '%s', 401)
export const ForbiddenError = createError<[string]>('WSM_ERR_FORBIDDEN', '%s', 403)
export const NotFoundError = createError<[string]>('WSM_ERR_NOT_FOUND', '%s', 404)
export const AlreadySettledError = createError<[string]>('WSM_ERR_ALREADY_SETTLED', '%s', 409)
export const TooManyChannelsError = createError<[number]>(
  'WSM_ERR_TOO_MANY_CHANNELS', 'A connection can be a member of at most %s channels', 429)
export const TooManyPendingError = createError<[number, string]>(
  'WSM_ERR_TOO_MANY_PENDING', '%s %s are being handled; wait for their answers', 429)
export const RateLimitedError = createError<[string]>('WSM_ERR_RATE_LIMITED', '%s', 429)
export const TooManyConnectionsError = createError<[number]>(
  'WSM_ERR_TOO_MANY_CONNECTIONS', 'A user can have at most %s connections', 429)
export const AlreadyConnectedError = createError('WSM_ERR_ALREADY_CONNECTED', 'The user has a connection already', 409)
export const TooManyConfirmationsError = createError<[number]>(
  'WSM_ERR_TOO_MANY_CONFIRMATIONS', 'The user has %s questions to answer already', 429)
export const IdentityChangedError = createError(
  'WSM_ERR_IDENTITY_CHANGED', 'The socket was handed to another user before this was done', 409)
export const UnavailableError = createError<[string]>('WSM_ERR_UNAVAILABLE', '%s', 503)
export const InternalError = createError('WSM_ERR_INTERNAL', 'The server could not process this', 500)

export const UpgradeRequiredError = createError(
  'WSM_ERR_UPGRADE_REQUIRED', 'This route speaks WebSocket: send an upgrade request', 426)
export const AlreadyRegisteredError = createError(
  'WSM_ERR_ALREADY_REGISTERED', 'fastify-ws-manager is registered on this Fastify instance already', 500)
export const InvalidOptionError = createError<[string, string]>(
  'WSM_ERR_INVALID_OPTION', 'fastify-ws-manager: option "%s" %s', 500)
export const InvalidHandlerError = createError<[string, string]>(
  'WSM_ERR_INVALID_HANDLER', 'The handler for "%s" cannot be registered: %s', 500)
export const NoSocketError = createError<[string]>(
  'WSM_ERR_NO_SOCKET', 'context.%s() needs a socket; this call came by REST', 500)

const prefix = 'WSM_ERR_'
const wireCodes: ReadonlySet<string> = new Set(errorCodes)

/** An error of ours, perhaps with `details` that may go to the client. */
export interface DetailedError extends FastifyError {
  details?: unknown
  /** After how many seconds a REST request may be tried again. */
  retryAfterS?: number
  /** Caused by the app's own code: the caller gets this error, a client whose frame led to it gets `internal`. */
  isAppFault?: true
}

/** Adds what the client may know beyond the message. */
export function withDetails (error: FastifyError, details: unknown): DetailedError {
  return Object.assign(error, { details })
}

/** Whether an error comes from this catalogue; everything else stays on the server. */
export function isOurs (error: unknown): error is DetailedError {
  try {
    return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith(prefix)
  } catch {
    return false
  }
}

/** The client-safe form of an error: plain data, so reading it cannot throw. */
export interface WireError { code: ErrorCode, message: string, statusCode: number, details: unknown, retryAfterS: number | undefined }

const internal = new InternalError()
const INTERNAL: WireError = { code: 'internal', message: internal.message, statusCode: internal.statusCode!, details: undefined, retryAfterS: undefined }

/**
 * Converts any thrown value to what a client may see: errors of the first group as they are, everything else as `internal`.
 * Details that JSON cannot hold are dropped. Never throws, not even for values whose getters do.
 */
export function toWire (error: unknown): WireError {
  try {
    if (!(error instanceof Error)) return INTERNAL
    const { code, message, statusCode, retryAfterS, isAppFault } = error as Partial<DetailedError>
    const wireCode = typeof code === 'string' && code.startsWith(prefix) ? code.slice(prefix.length).toLowerCase() : ''
    if (isAppFault === true || !wireCodes.has(wireCode)) return INTERNAL
    return {
      code: wireCode as ErrorCode,
      message: String(message),
      statusCode: isStatus(statusCode) ? statusCode : INTERNAL.statusCode,
      details: detailsOf(error),
      retryAfterS: typeof retryAfterS === 'number' ? retryAfterS : undefined
    }
  } catch {
    return INTERNAL
  }
}

/** The same, as an error for a REST answer. */
export function toClientError (error: unknown): DetailedError {
  const { code, ...told } = toWire(error)
  return Object.assign(new InternalError(), told, { code: prefix + code.toUpperCase() })
}

function isStatus (status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 400 && (status as number) < 600
}

/**
 * Reads the `details` of an error; undefined if JSON cannot hold them. Returns a copy, since the app's own `toJSON` may answer
 * differently the next time. Never throws.
 */
export function detailsOf (error: unknown): unknown {
  try {
    const { details } = error as { details?: unknown }
    return details === undefined ? undefined : JSON.parse(JSON.stringify(details))
  } catch {
    return undefined
  }
}
