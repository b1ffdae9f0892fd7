import { Type } from '@sinclair/typebox'
import { count, milliseconds, group, type OptionsOf } from '../option-types.js'

/** Options of the HTTP layer. */
export const httpOptions = {
  path: Type.String({
    // Router parameters and wildcards would match many paths, and URL parsers resolve dots.
    pattern: '^(?:/(?!\\.{1,2}(?:/|$))[^/?#:*\\s]+)+$',
    default: '/ws',
    description: 'Path of the socket and prefix of the REST routes; without parameters, wildcards or a trailing slash'
  }),
  clientScript: Type.Boolean({ default: true, description: 'Serve the browser client as one script: client.js below the path' }),
  drain: group({
    timeoutMs: milliseconds(30_000, 'Time allowed for final messages during shutdown'),
    windowMs: Type.Integer({ minimum: 0, maximum: 3_600_000, default: 10_000, description: 'Window over which client reconnects are spread, milliseconds' })
  }, 'Graceful shutdown')
}
export type HttpOptions = OptionsOf<typeof httpOptions>

/** Limits on REST requests. */
export const httpLimits = {
  maxPendingRequests: count(100, 'Maximum number of REST requests in progress: per user, per address for anonymous callers, and per connection')
}
export type HttpLimits = OptionsOf<typeof httpLimits>
