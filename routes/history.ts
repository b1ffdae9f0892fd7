import type { FastifyRequest } from 'fastify'
import { HistoryQuery, StreamHistoryPage } from '../schemas/rest.js'
import { isDenial } from '../lib/auth/permissions.js'
import type { DetailedError } from '../lib/errors.js'
import { isTopic } from '../lib/ids.js'
import { invalidMessage } from '../lib/protocol/faults.js'
import { channelOf, topicOf } from '../lib/topics/topic-names.js'
import { userOf } from './access.js'
import { answers, tags } from './answers.js'
import type { Routes } from './context.js'

export const historyRoutes: Routes = (scope, { history, rules, permissions }, access) => {
  /**
   * From when on the caller may read a stream, milliseconds since 1970: what their socket could recover, or with permission all of
   * it.
   *
   * @throws WSM_ERR_FORBIDDEN, WSM_ERR_UNAVAILABLE, and errors of the app's own
   */
  async function readableSince (request: FastifyRequest, topic: string, isFromStart: boolean): Promise<number> {
    const user = userOf(request)
    if (topic === topicOf.user(user.id)) return 0
    const channel = channelOf(topic)
    let refusal: DetailedError | null = null
    if (!isFromStart || rules.of(topic).fromStart) {
      if (topic === topicOf.all) return 0
      if (channel !== null) {
        try {
          return await permissions.subscribe(user, channel, null)
        } catch (error) {
          if (!isDenial(error)) throw error
          refusal = error
        }
      }
    }
    try {
      await permissions.rest(request, 'history:read', user)
    } catch (error) {
      throw refusal?.isAppError === true && isDenial(error) ? refusal : error
    }
    return 0
  }

  scope.get('/history', {
    schema: {
      tags,
      summary: 'What a stream still has, oldest first: one\'s own, what one\'s socket could recover, or with permission any',
      querystring: HistoryQuery,
      response: answers(StreamHistoryPage, 400, 401, 403, 503)
    },
    onRequest: access.authenticated
  }, async (request) => {
    const { topic, limit, after } = request.query
    if (!isTopic(topic)) throw invalidMessage([{ path: '/topic', message: 'Expected all, user:<user_id> or channel:<channel>' }])
    const notBefore = await readableSince(request, topic, after === undefined)
    // The app may have taken its time.
    access.assertStillGood(request)
    return history.page(topic, positionOf(after), limit, notBefore)
  })
}

/** Reads `<offset>:<epoch>`; null: from the start. */
function positionOf (after: string | undefined) {
  if (after === undefined) return null
  const [offset, epoch] = after.split(':') as [string, string]
  return { epoch, offset: Number(offset) }
}
