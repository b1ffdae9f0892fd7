import { Ticket } from '../schemas/rest.js'
import type { Tickets } from '../lib/auth/tickets.js'
import { userOf, type Access } from './access.js'
import { answers, tags } from './answers.js'
import type { Scope } from './scope.js'

/** The parts that the ticket route needs. */
export interface TicketParts { access: Access, tickets: Tickets }

export function ticketRoutes (scope: Scope, { access, tickets }: TicketParts): void {
  scope.post('/tickets', {
    schema: {
      tags, summary: 'Issues a single-use ticket, which opens one socket as the caller by ?ticket= in its URL', response: answers(Ticket, 400, 401, 403, 413, 415, 503)
    },
    onRequest: access.authenticated
  }, async (request, reply) => {
    // RFC 6750 section 5.3: a credential must not be cached.
    reply.header('cache-control', 'no-store')
    return tickets.issue(userOf(request))
  })
}
