import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BadJsonError, InternalError, TooLargeError, UnavailableError, UnsupportedMediaTypeError } from '../lib/errors.js'
import { detailsOf, toClientError, type DetailedError } from '../lib/wire-error.js'
import { logThrown } from '../lib/thrown.js'
import { sendable } from './json-answer.js'

/** Default of `Retry-After` for 503, seconds. */
const RETRY_AFTER_S = 2
/** Prefix of Fastify's error codes about bodies. */
const BODY_FAULT = 'FST_ERR_CTP_'

/**
 * Answers every error of the plugin's routes in one shape. Fastify's errors about bodies get codes of the plugin; refusals by the host
 * keep theirs. Unexpected errors are logged, and answered without details.
 */
export function answerError (error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { isForeign, statusCode, code, message, details, retryAfterS, isAppError } = toAnswer(error)
  if (isForeign) logThrown(request.log, 'error', error, {}, 'a route failed')
  // RFC 6455 section 4.4; RFC 6750 section 3; RFC 9110 sections 10.2.3, 15.5.22 and 15.6.4; RFC 6585 section 4.
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  // RFC 9113 section 8.2.2: HTTP/2 has neither of these, and Node throws for one of them.
  if (statusCode === 426 && request.raw.httpVersionMajor < 2) {
    // Node does not extend a Connection header that is set, so `close` must be added if this connection ends.
    reply.header('sec-websocket-version', '13').header('upgrade', 'websocket').header('connection', reply.raw.shouldKeepAlive ? 'upgrade' : 'upgrade, close')
  }
  if (statusCode === 503 || retryAfterS !== undefined) reply.header('retry-after', retryAfterS ?? RETRY_AFTER_S)
  const body = { statusCode, code, error: STATUS_CODES[statusCode] ?? 'Error', message, details, ...isAppError === true && { app: true } }
  reply.code(statusCode).send(sendable(reply, body))
}

interface Answer extends Pick<DetailedError, 'message' | 'details' | 'retryAfterS' | 'isAppError'> {
  statusCode: number
  code: string | undefined
  /** True if the error is unexpected: it is logged, and its text is hidden from the caller. */
  isForeign: boolean
}

/** Converts an error, reading each property once: a hook of the host can throw anything. */
function toAnswer (error: unknown): Answer {
  try {
    const { statusCode, code, message, retryAfterS, isAppError } = error as DetailedError
    const isClientFault = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
    if (isClientFault) {
      const known = typeof code === 'string' ? { code, message } : { code: undefined, message }
      const isBodyFault = isAppError !== true && known.code?.startsWith(BODY_FAULT) === true
      const told = isBodyFault ? bodyFault(statusCode) : known
      return {
        statusCode,
        code: told.code,
        message: String(told.message),
        details: detailsOf(error),
        retryAfterS: typeof retryAfterS === 'number' ? retryAfterS : undefined,
        ...isAppError === true && { isAppError },
        isForeign: false
      }
    }
    if (error instanceof UnavailableError || error instanceof InternalError) return answerOf(error, false)
    // An overload protection of the host sets status 503, which a load balancer must see.
    if (statusCode === 503) return answerOf(new UnavailableError('The server is overloaded or unavailable'), true)
  } catch {
    // A getter of the error threw.
  }
  return answerOf(new InternalError(), true)
}

function bodyFault (statusCode: number): DetailedError {
  if (statusCode === 413) return new TooLargeError()
  return statusCode === 415 ? new UnsupportedMediaTypeError() : new BadJsonError('The body could not be read')
}

function answerOf (error: DetailedError, isForeign: boolean): Answer {
  const { statusCode, code, message, details, retryAfterS } = toClientError(error)
  return { statusCode: statusCode!, code, message, details, retryAfterS, isForeign }
}
