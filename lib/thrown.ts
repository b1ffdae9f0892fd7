import type { FastifyBaseLogger } from 'fastify'

/*
 * An app can throw anything: null, a symbol, a proxy, an error whose getters throw. Log serializers read every property, so these
 * functions are the only way to log and read values thrown by the app.
 */

/** Logs a thrown value. Never throws. */
export function logThrown (log: FastifyBaseLogger, level: 'error' | 'warn' | 'debug', thrown: unknown, fields: object, message: string): void {
  try {
    log[level]({ ...fields, err: thrown }, message)
  } catch {
    try {
      log[level]({ ...fields, err: { message: messageOf(thrown) } }, message)
    } catch {
      // The logger itself failed, so the failure cannot be reported.
    }
  }
}

/** Returns the message of an error, or the value as text. Never throws. */
export function messageOf (thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return 'an unreadable value was thrown'
  }
}

/** Returns true for an Error of the given class. Never throws. */
export function isError (thrown: unknown, kind: ErrorConstructor | RangeErrorConstructor = Error): thrown is Error {
  try {
    return thrown instanceof kind
  } catch {
    return false
  }
}

/** Returns true for the error of V8 where a value is nested more deeply than the stack allows. Never throws. */
export function isStackOverflow (thrown: unknown): boolean {
  return isError(thrown, RangeError) && messageOf(thrown).includes('call stack')
}
