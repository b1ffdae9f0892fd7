import { format } from 'node:util'
import createError, { type FastifyError } from '@fastify/error'

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
export const TooManyRolesError = define<[number, number]>(
  'WSM_ERR_TOO_MANY_ROLES', 403, 'The user has too many roles', 'The token names %s roles; a user who connects can have at most %s')
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
export const OutcomeUnknownError = define(
  'WSM_ERR_OUTCOME_UNKNOWN', 409, 'An earlier call with this idempotency key may have taken effect; its outcome is not known')
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
  'WSM_ERR_INVALID_HANDLER', 500, 'A handler, a message or an endpoint cannot be registered', '%s cannot be registered: %s')
export { InvalidContractError } from './invalid-contract-error.js'
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
