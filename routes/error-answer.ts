import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { InternalError, UnavailableError, type DetailedError } from '../lib/errors.js'

/** Seconds after which a client may try again what is out of reach now. */
const RETRY_AFTER_S = 2

/**
 * Answers every fault of our routes in one shape. Faults of the request that Fastify finds (a body that is no JSON, or
 * too big) keep their code and status; what is not a fault of the request is logged and answered without its inside.
 */
export function answerError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const told = toldError(error)
  if (told !== error) request.log.error({ err: error }, 'a route failed')
  const statusCode = told.statusCode!
  // RFC 6750 section 3; RFC 9110 sections 10.2.3, 15.5.22 and 15.6.4; RFC 6585 section 4.
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  // RFC 9113 section 8.2.2: HTTP/2 has neither of these, and Node throws for one of them.
  if (statusCode === 426 && request.raw.httpVersionMajor < 2) reply.header('upgrade', 'websocket').header('connection', 'upgrade')
  if (statusCode === 503 || told.retryAfterS !== undefined) reply.header('retry-after', told.retryAfterS ?? RETRY_AFTER_S)
  reply.code(statusCode).send({
    statusCode,
    code: told.code,
    error: STATUS_CODES[statusCode] ?? 'Error',
    message: told.message,
    details: told.details
  })
}

function toldError (error: FastifyError): DetailedError {
  const { statusCode = 500 } = error
  const isClientFault = statusCode >= 400 && statusCode < 500
  if (isClientFault || error instanceof UnavailableError || error instanceof InternalError) return error
  // What the host uses against overload says so by its status, and a load balancer must see it.
  return statusCode === 503 ? new UnavailableError('The server cannot take this now') : new InternalError()
}
