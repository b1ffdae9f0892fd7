import { ConfirmationAnswer, ConfirmationRecord } from '../schemas/records.js'
import { UnavailableError } from '../lib/errors.js'
import type { Confirmations } from '../lib/confirmations/confirmations.js'
import { inTime } from '../lib/in-time.js'
import { CancelQuery, ConfirmationParams, ConfirmationsPage, ConfirmationsQuery, WaitQuery } from '../schemas/rest.js'
import { found, userOf, type Access } from './access.js'
import { answers, tags } from './answers.js'
import { queryOf } from './query.js'
import type { Scope } from './scope.js'

/** Time limit of a long poll in place of the host's `handlerTimeout`: the longest `wait`, plus time for reading the question before and after it. */
const LONGEST_POLL_MS = 70_000
/** Time allowed for reading a question after its poll has failed. */
const LOOK_MS = 400

/** The parts that the confirmation routes need. */
export interface ConfirmationParts { access: Access, confirmations: Confirmations }

export function confirmationRoutes (scope: Scope, { access, confirmations }: ConfirmationParts): void {
  scope.get('/confirmations', {
    schema: {
      tags, summary: 'Questions, oldest first; one\'s own, or with permission those of others', querystring: queryOf(ConfirmationsQuery), response: answers(ConfirmationsPage, 400, 401, 403, 503)
    },
    onRequest: access.authenticated
  }, async (request) => {
    const { user_id: userId = userOf(request).id, task_id: taskId, ...page } = request.query
    await access.owned(request, userId, 'confirmations:list')
    return confirmations.list({ ...page, userId, taskId })
  })

  scope.get('/confirmations/:callback_id', {
    schema: {
      tags, summary: 'One question; with wait, answered when it is settled or after that many seconds', params: ConfirmationParams, querystring: queryOf(WaitQuery), response: answers(ConfirmationRecord, 400, 401, 403, 404, 503)
    },
    handlerTimeout: LONGEST_POLL_MS,
    onRequest: access.authenticated
  }, async (request) => {
    const { callback_id: callbackId } = request.params
    const record = found(await confirmations.get(callbackId), 'question')
    await access.owned(request, record.user_id, 'confirmations:read')
    if (request.query.wait === 0 || record.status !== 'pending') return record
    // The signal also fires when the caller hangs up or the token is revoked.
    const pending = request.wsPending!
    const timer = setTimeout(() => pending.stop(), request.query.wait * 1000)
    // After a failed poll the question is read once more; a persistent fault is thrown by that read.
    const later = await confirmations.poll(callbackId, pending.signal).catch(() => inTime(confirmations.get(callbackId), LOOK_MS, tooLate))
      .finally(() => clearTimeout(timer))
    access.assertTokenStillValid(request)
    return found(later, 'question')
  })

  scope.post('/confirmations/:callback_id', {
    schema: {
      tags, summary: 'Answers a question; only its user can', params: ConfirmationParams, body: ConfirmationAnswer, response: answers(ConfirmationRecord, 400, 401, 403, 404, 409, 413, 415, 503)
    },
    onRequest: access.authenticated
  }, (request) => confirmations.answer(request.params.callback_id, request.body, { user_id: userOf(request).id, client_id: null },
    () => access.assertTokenStillValid(request)))

  scope.delete('/confirmations/:callback_id', {
    schema: {
      tags, summary: 'Takes a question back', params: ConfirmationParams, querystring: queryOf(CancelQuery), response: answers(ConfirmationRecord, 400, 401, 403, 404, 409, 503)
    },
    onRequest: access.authenticated
  }, async (request) => {
    const record = found(await confirmations.get(request.params.callback_id), 'question')
    await access.owned(request, record.user_id, 'confirmations:cancel')
    return confirmations.cancel(record.callback_id, request.query.reason)
  })
}

function tooLate (): never {
  throw new UnavailableError('The question could not be read in time')
}
