import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BadJsonError, InternalError, TooLargeError, UnavailableError, UnsupportedMediaTypeError } from '../lib/errors.js'
import { detailsOf, toClientError, type DetailedError } from '../lib/wire-error.js'
import { logThrown } from '../lib/thrown.js'
import { sendable } from './json-answer.js'

/** Seconds after which a client may try again what is out of reach now. */
const RETRY_AFTER_S = 2
/** Fastify's errors about bodies. */
const BODY_FAULT = 'FST_ERR_CTP_'

/**
 * Answers every fault of our routes in one shape. Faults that Fastify finds in a body get codes of ours, refusals by the host keep
 * theirs; what is not a fault of the request is logged and answered without its inside.
 */
export function answerError (error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { isForeign, statusCode, code, message, details, retryAfterS, isAppError } = toAnswer(error)
  if (isForeign) logThrown(request.log, 'error', error, {}, 'a route failed')
  // RFC 6455 section 4.4; RFC 6750 section 3; RFC 9110 sections 10.2.3, 15.5.22 and 15.6.4; RFC 6585 section 4.
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  // RFC 9113 section 8.2.2: HTTP/2 has neither of these, and Node throws for one of them.
  if (statusCode === 426 && request.raw.httpVersionMajor < 2) {
    // Node does not add to a Connection header that is set: a client that keeps connections must hear that this one ends.
    reply.header('sec-websocket-version', '13').header('upgrade', 'websocket').header('connection', reply.raw.shouldKeepAlive ? 'upgrade' : 'upgrade, close')
  }
  if (statusCode === 503 || retryAfterS !== undefined) reply.header('retry-after', retryAfterS ?? RETRY_AFTER_S)
  const body = { statusCode, code, error: STATUS_CODES[statusCode] ?? 'Error', message, details, ...isAppError === true && { app: true } }
  reply.code(statusCode).send(sendable(reply, body))
}

interface Answer extends Pick<DetailedError, 'message' | 'details' | 'retryAfterS' | 'isAppError'> {
  statusCode: number
  code: string | undefined
  /** Whether it is an unexpected error, which is logged, and whose text the caller must not see. */
  isForeign: boolean
}

/** Reads it once: a hook of the host can throw anything. */
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
    // What the host uses against overload says so by its status, and a load balancer must see it.
    if (statusCode === 503) return answerOf(new UnavailableError('The server is overloaded or unavailable'), true)
  } catch {
    // It cannot be read.
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
