import { Type } from '@sinclair/typebox'
import { count, milliseconds, group, type OptionsOf } from '../option-types.js'

/** Options of the HTTP layer. */
export const httpOptions = {
  path: Type.String({
    // Router parameters and wildcards would match many paths, and URL parsers resolve dots.
    pattern: '^(?:/(?!\\.{1,2}(?:/|$))[^/?#:*\\s]+)+$',
    default: '/ws',
    description: 'Where the socket is; the REST routes are below it. Without parameters, wildcards and a slash at its end'
  }),
  drain: group({
    timeoutMs: milliseconds(30_000, 'Time allowed for final messages during shutdown'),
    windowMs: Type.Integer({ minimum: 0, maximum: 3_600_000, default: 10_000, description: 'Window over which the clients are told to reconnect, milliseconds' })
  }, 'How the server closes')
}
export type HttpOptions = OptionsOf<typeof httpOptions>

/** Limits on REST requests. */
export const httpLimits = {
  maxPendingRequests: count(100, 'REST requests in progress, of one user, of anonymous callers at one address, and on one connection')
}
export type HttpLimits = OptionsOf<typeof httpLimits>
