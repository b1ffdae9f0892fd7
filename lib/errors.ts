import { STATUS_CODES } from 'node:http'
import { format } from 'node:util'
import createError, { type FastifyError } from '@fastify/error'
import { errorCodes } from '../schemas/codes.js'

/*
 * The catalogue of errors. The first group can reach a client: as an `error` frame whose code is the part behind `WSM_ERR_` in
 * lower case, or as a REST answer with the given status. The second group is for the app's developer only.
 */

/** Thrown on every bad frame. Capturing a stack costs 6 µs, thirty times the rest, and would show only the router. */
const WITHOUT_STACK: ReadonlySet<string> = new Set(
  ['BAD_JSON', 'BAD_FRAME', 'TOO_DEEP', 'UNKNOWN_TYPE', 'RATE_LIMITED', 'TOO_MANY_PENDING'].map((name) => `WSM_ERR_${name}`))

export const BadJsonError = define<[string]>('WSM_ERR_BAD_JSON', 400, 'The frame is not valid JSON', '%s')
export const BadFrameError = define('WSM_ERR_BAD_FRAME', 400, 'The frame must be an object with a string "type"')
export const TooDeepError = define<[number]>('WSM_ERR_TOO_DEEP', 400, 'The message is nested too deeply', 'The message is nested deeper than %s levels')
export const UnknownTypeError = define<[string]>('WSM_ERR_UNKNOWN_TYPE', 404, 'There is no handler for this type', 'There is no handler for type "%s"')
export const InvalidMessageError = define<[string]>('WSM_ERR_INVALID_MESSAGE', 400, 'The message is not valid', 'The message is not valid: %s')
export const UnauthorizedError = define<[string]>('WSM_ERR_UNAUTHORIZED', 401, 'Valid credentials are needed', '%s')
export const ForbiddenError = define<[string]>('WSM_ERR_FORBIDDEN', 403, 'This is not allowed', '%s')
export const NotFoundError = define<[string]>('WSM_ERR_NOT_FOUND', 404, 'This does not exist', '%s')
export const AlreadySettledError = define<[string]>('WSM_ERR_ALREADY_SETTLED', 409, 'This has already ended', '%s')
export const TooManyChannelsError = define<[number]>(
  'WSM_ERR_TOO_MANY_CHANNELS', 429, 'The connection is a member of too many channels', 'A connection can be a member of at most %s channels')
export const TooManyPendingError = define<[number, string]>(
  'WSM_ERR_TOO_MANY_PENDING', 429, 'Too many requests are in progress; wait for their replies', '%s %s are in progress; wait for their replies')
export const RateLimitedError = define<[string]>('WSM_ERR_RATE_LIMITED', 429, 'Too many requests in too short a time', '%s')
export const TooManyConnectionsError = define<[number]>(
  'WSM_ERR_TOO_MANY_CONNECTIONS', 429, 'The user has too many connections', 'A user can have at most %s connections')
export const AlreadyConnectedError = define('WSM_ERR_ALREADY_CONNECTED', 409, 'The user already has a connection')
export const TooManyConfirmationsError = define<[number]>(
  'WSM_ERR_TOO_MANY_CONFIRMATIONS', 429, 'The user has too many open questions', 'The user already has %s open questions')
export const IdentityChangedError = define('WSM_ERR_IDENTITY_CHANGED', 409, 'The socket switched users before this was done')
export const UnavailableError = define<[string]>('WSM_ERR_UNAVAILABLE', 503, 'This is temporarily unavailable', '%s')
export const InternalError = define('WSM_ERR_INTERNAL', 500, 'The server could not process this')

export const UpgradeRequiredError = define<[string]>('WSM_ERR_UPGRADE_REQUIRED', 426, 'This route speaks WebSocket: send an upgrade request', '%s')
export const InvalidHandshakeError = define<[string]>('WSM_ERR_INVALID_HANDSHAKE', 400, 'The handshake is not valid', 'The handshake is not valid: %s')
export const TooLargeError = define('WSM_ERR_TOO_LARGE', 413, 'The body is too large')
export const UnsupportedMediaTypeError = define('WSM_ERR_UNSUPPORTED_MEDIA_TYPE', 415, 'The body must be application/json')
export const AlreadyRegisteredError = define(
  'WSM_ERR_ALREADY_REGISTERED', 500, 'fastify-ws-manager is already registered on this Fastify instance')
export const NoUpgradeListenerError = define(
  'WSM_ERR_NO_UPGRADE_LISTENER', 500, 'fastify-ws-manager: @fastify/websocket does not listen for upgrades on this server; version ~11.3.6 is needed')
export const InvalidOptionError = define<[string, string]>(
  'WSM_ERR_INVALID_OPTION', 500, 'fastify-ws-manager: an option is not valid', 'fastify-ws-manager: option "%s" %s')
export const InvalidHandlerError = define<[string, string]>(
  'WSM_ERR_INVALID_HANDLER', 500, 'The handler cannot be registered', 'The handler for "%s" cannot be registered: %s')
export const InvalidArgumentError = define<[string, string]>(
  'WSM_ERR_INVALID_ARGUMENT', 500, 'The app called a method with a wrong argument', '%s(): %s')
export const NoSocketError = define<[string]>(
  'WSM_ERR_NO_SOCKET', 500, 'This needs a socket; this call came by REST', 'context.%s() needs a socket; this call came by REST')
export const NoPresenceError = define<[string, string]>(
  'WSM_ERR_NO_PRESENCE', 500, 'The channel has no presence: no rule in the option "channels" enables it',
  'Channel "%s" has no presence: enable it by a rule in the option "channels", for example { "%s": { presence: true } }')
export const WaitInterruptedError = define<[string]>(
  'WSM_ERR_WAIT_INTERRUPTED', 503, 'The wait for an answer was interrupted; the question may still be answered',
  'The wait for an answer was interrupted; question %s may still be answered, and can be waited for again')

const prefix = 'WSM_ERR_'
const wireCodes: ReadonlySet<string> = new Set(errorCodes)
const APP_CODE = /^[\w.:-]{1,64}$/

/** An error from this catalogue, optionally with `details` that may go to the client. */
export interface DetailedError extends FastifyError {
  details?: unknown
  /** Text for clients; `message` is for the operator. */
  clientMessage?: string
  /** Seconds after which a REST request may be retried. */
  retryAfterS?: number
  /** Marks the REST answer as an error of the app. */
  isAppError?: true
}

/** Attaches details that the client may see. */
export function withDetails (error: FastifyError, details: unknown): DetailedError {
  return Object.assign(error, { details })
}

/** Creates the refusal of a message over the limit of its type. */
export function typeRateLimited (type: string, waitMs: number): DetailedError {
  const error = withDetails(new RateLimitedError(`Too many messages of type "${type}" in too short a time`), { retry_after_ms: waitMs, type })
  overTypeLimits.add(error)
  return Object.assign(error, { retryAfterS: Math.ceil(waitMs / 1000) })
}

/** Returns true for a message over the limit of its type, which never closes a socket. Reads no property of the error. */
export function isOverTypeLimit (error: unknown): boolean {
  return overTypeLimits.has(error as object)
}

const overTypeLimits = new WeakSet<object>()

/** Returns true for errors of this catalogue; all others stay on the server. */
export function isOurs (error: unknown): error is DetailedError {
  try {
    return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith(prefix)
  } catch {
    return false
  }
}

/** Client-safe form of an error: plain data, so reading it cannot throw. */
export interface WireError {
  /** A protocol code, or with `isAppError` the app's own. */
  code: string
  message: string
  statusCode: number
  details: unknown
  retryAfterS: number | undefined
  /** True for an error of the app, which reaches the client unchanged. */
  isAppError: boolean
}

const internal = new InternalError()
const INTERNAL: WireError = { code: 'internal', message: internal.message, statusCode: internal.statusCode!, details: undefined, retryAfterS: undefined, isAppError: false }

/**
 * Converts any thrown value to its client-safe form: errors of the first group unchanged, the app's errors if their `statusCode`
 * is 400 to 499, everything else as `internal`. Drops details that JSON cannot hold. Never throws, even if a getter does.
 */
export function toWire (error: unknown): WireError {
  try {
    const own = appErrorOf(error)
    if (own !== null) return own
    if (!(error instanceof Error)) return INTERNAL
    const { code, message, clientMessage, statusCode, retryAfterS } = error as Partial<DetailedError>
    const wireCode = typeof code === 'string' && code.startsWith(prefix) ? code.slice(prefix.length).toLowerCase() : ''
    if (!wireCodes.has(wireCode)) return INTERNAL
    return {
      code: wireCode,
      message: String(clientMessage ?? message),
      statusCode: isStatus(statusCode) ? statusCode : INTERNAL.statusCode,
      details: detailsOf(error),
      retryAfterS: typeof retryAfterS === 'number' ? retryAfterS : undefined,
      isAppError: false
    }
  } catch {
    return INTERNAL
  }
}

/** Does the same as `toWire`, but returns an error for a REST answer. */
export function toClientError (error: unknown): DetailedError {
  const { code, isAppError, ...wireError } = toWire(error)
  return Object.assign(new InternalError(), wireError, isAppError ? { code, isAppError } : { code: prefix + code.toUpperCase() })
}

/** Returns true for a code that the app may use: clients must not mistake it for a protocol code. */
export function isAppCode (code: unknown): code is string {
  return typeof code === 'string' && APP_CODE.test(code) && !code.startsWith(prefix) && !wireCodes.has(code)
}

/** Returns true for a status with which an app's error may reach the caller. */
export function isAppStatus (status: unknown): status is number {
  return isStatus(status) && status < 500
}

/**
 * Reads an error of the app. As in Fastify, a `statusCode` from 400 to 499 marks an error that the caller may see; those of
 * `http-errors` have no code. null: not such an error.
 */
function appErrorOf (error: unknown): WireError | null {
  if (typeof error !== 'object' || error === null) return null
  const { statusCode, code, message } = error as { statusCode?: unknown, code?: unknown, message?: unknown }
  if (!isAppStatus(statusCode)) return null
  const own = code === undefined ? `HTTP_${statusCode}` : code
  if (!isAppCode(own)) return null
  const text = typeof message === 'string' && message !== '' ? message : STATUS_CODES[statusCode] ?? 'Error'
  return { code: own, message: text, statusCode, details: detailsOf(error), retryAfterS: undefined, isAppError: true }
}

function isStatus (status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 400 && (status as number) < 600
}

/**
 * Copies the `details` of an error; undefined if JSON cannot hold them. A copy, since the app's `toJSON` may answer differently
 * the next time. Never throws.
 */
export function detailsOf (error: unknown): unknown {
  try {
    const { details } = error as { details?: unknown }
    return details === undefined ? undefined : JSON.parse(JSON.stringify(details))
  } catch {
    return undefined
  }
}

type ErrorKind<Args extends unknown[]> = new (...args: [...args: Partial<Args>, options?: ErrorOptions]) => FastifyError

/**
 * Defines an error class. `instanceof` compares codes, so it works across two copies of this package.
 *
 * @param bare message without arguments
 * @param message message with a `%s` for each argument
 */
function define<Args extends unknown[] = []> (code: string, statusCode: number, bare: string, message = bare): ErrorKind<Args> {
  const Base = createError<[text: string, options?: ErrorOptions]>(code, '%s', statusCode, Error, !WITHOUT_STACK.has(code))
  return class extends Base {
    constructor (...args: unknown[]) {
      const options = typeof args.at(-1) === 'object' ? [args.pop() as ErrorOptions] : []
      super(args[0] === undefined ? bare : format(message, ...args), ...options)
    }
  } as unknown as ErrorKind<Args>
}
