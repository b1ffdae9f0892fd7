import type { FastifyInstance } from 'fastify'

/**
 * Allows what the page needs and nothing else: its own files, and its own server by HTTP and WebSocket. Swagger UI tries to insert a
 * style, which is refused and not missed.
 */
const POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
  "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"
]

const HEADERS = new Map([
  ['Content-Security-Policy', POLICY.join('; ')],
  ['X-Content-Type-Options', 'nosniff'],
  // For browsers that do not know frame-ancestors.
  ['X-Frame-Options', 'DENY'],
  ['Referrer-Policy', 'no-referrer'],
  ['Cross-Origin-Opener-Policy', 'same-origin'],
  ['Cross-Origin-Resource-Policy', 'same-origin']
])

/**
 * Puts security headers on every answer. At Node's server and not in a hook, since Fastify answers some requests before any
 * hook runs: those with a malformed URL, and those that come while it closes.
 */
export function securePages (app: FastifyInstance): void {
  app.server.prependListener('request', (_request, response) => { response.setHeaders(HEADERS) })
}
