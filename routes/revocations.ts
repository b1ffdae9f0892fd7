import { RevocationBody, RevocationReport } from '../schemas/rest.js'
import type { PendingRequests } from '../lib/http/pending-requests.js'
import type { RevocationTarget, Revocations } from '../lib/sessions/revocations.js'
import type { Access } from './access.js'
import { answers, tags } from './answers.js'
import type { Scope } from './scope.js'

/** The parts that the revocation route needs. */
export interface RevocationParts { access: Access, revocations: Revocations, requests: PendingRequests }

export function revocationRoutes (scope: Scope, { access, revocations, requests }: RevocationParts): void {
  scope.post('/revocations', {
    schema: {
      tags,
      summary: 'Revokes a token, or a user\'s tokens, and closes their sockets on all nodes',
      body: RevocationBody,
      response: answers(RevocationReport, 400, 401, 403, 413, 415, 503)
    },
    onRequest: access.permitted('revocations:create')
  }, (request) => {
    const { jti, expires_at: expiresAt, user_id: userId, issued_before: issuedBefore } = request.body
    // The caller may revoke the token of this very request.
    return requests.runRevoking(request.wsPending!, () => revocations.revoke({ jti, expiresAt, userId, issuedBefore } as RevocationTarget))
  })
}
