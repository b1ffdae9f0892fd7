import { STATUS_CODES } from 'node:http'
import type { FastifyError } from '@fastify/error'
import { errorCodes } from '../schemas/codes.js'
import { InternalError, RateLimitedError } from './errors.js'

const prefix = 'WSM_ERR_'
const wireCodes: ReadonlySet<string> = new Set(errorCodes)
const APP_CODE = /^[\w.:-]{1,64}$/

/** An error of the catalogue, optionally with `details` that may go to the client. */
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

/** The error of an earlier call, for a repetition of it. */
export class EarlierError extends Error {
  readonly wire: WireError

  constructor (wire: WireError) {
    super(wire.message)
    this.wire = wire
  }
}

/** Returns true for the error of an earlier call. Never throws, whatever the app has thrown. */
export function isEarlier (error: unknown): error is EarlierError {
  try {
    return error instanceof EarlierError
  } catch {
    return false
  }
}

const internal = new InternalError()
const INTERNAL: WireError = { code: 'internal', message: internal.message, statusCode: internal.statusCode!, details: undefined, retryAfterS: undefined, isAppError: false }

/**
 * Converts any thrown value to its client-safe form: errors of the first group unchanged, the app's errors if their `statusCode`
 * is 400 to 499, everything else as `internal`. Drops details that JSON cannot hold. Never throws, even if a getter does.
 */
export function toWire (error: unknown): WireError {
  try {
    if (isEarlier(error)) return error.wire
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
