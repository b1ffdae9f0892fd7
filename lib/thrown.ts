import type { FastifyBaseLogger } from 'fastify'

/*
 * An app can throw anything: null, a symbol, a proxy, an error whose properties throw when they are read. Serializers of
 * loggers read all of them, so nothing that the app has thrown is logged or read in another way than by these.
 */

/** Logs what was thrown. Never throws. */
export function logThrown (log: FastifyBaseLogger, level: 'error' | 'warn' | 'debug', thrown: unknown, fields: object, message: string): void {
  try {
    log[level]({ ...fields, err: thrown }, message)
  } catch {
    try {
      log[level]({ ...fields, err: { message: messageOf(thrown) } }, message)
    } catch {
      // The logger itself fails: there is nowhere to say so.
    }
  }
}

/** The message of an error, or the value itself as text. Never throws. */
export function messageOf (thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return 'an unreadable value was thrown'
  }
}

/** Whether it is an error, or one of a kind. Never throws. */
export function isError (thrown: unknown, kind: ErrorConstructor | RangeErrorConstructor = Error): thrown is Error {
  try {
    return thrown instanceof kind
  } catch {
    return false
  }
}
