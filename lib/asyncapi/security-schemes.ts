import type { Credentials } from './input.js'
import type { JsonObject } from './component-schemas.js'

/** Describes the credentials of an upgrade as security schemes of AsyncAPI. */
export function securityOf ({ isJwt, cookie }: Credentials): Record<string, JsonObject> {
  return {
    ...isJwt && {
      bearerAuth: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A token in the header Authorization, for clients that can set headers' },
      bearerProtocol: {
        type: 'httpApiKey',
        in: 'header',
        name: 'Sec-WebSocket-Protocol',
        description: 'A token as one of the offered subprotocols, with the prefix "bearer.", for browsers: new WebSocket(url, ["ws-manager.v1", "bearer." + token])'
      }
    },
    ...cookie !== null && { cookieAuth: { type: 'httpApiKey', in: 'cookie', name: cookie, description: 'A token in a cookie' } },
    ticket: { type: 'httpApiKey', in: 'query', name: 'ticket', description: 'A ticket of POST tickets, which opens one socket, once' }
  }
}
