import type { FastifyRequest } from 'fastify'
import { HistoryQuery, StreamHistoryPage } from '../schemas/rest.js'
import { isDenial, type Permissions } from '../lib/auth/permissions.js'
import type { DetailedError } from '../lib/wire-error.js'
import { isTopic } from '../lib/ids.js'
import { invalidMessage } from '../lib/validation/faults.js'
import { channelOf, taskOf, topicOf, topicsOf } from '../lib/topic-names.js'
import type { History, Readable } from '../lib/streams/history.js'
import type { StreamRules } from '../lib/streams/stream-rules.js'
import type { Tasks } from '../lib/tasks/tasks.js'
import { userOf, type Access } from './access.js'
import { answers, tags } from './answers.js'
import { queryOf } from './query.js'
import type { Scope } from './scope.js'

const ALL: Readable = { notBefore: 0, isLatest: false }

/** Denial that names the alternative. */
const FROM_START = 'You may not read this stream from its start: its rule recoverFrom is "position". Give your position in "after": <offset>:<epoch>'

/** The parts that the history route needs. */
export interface HistoryParts { access: Access, history: History, rules: StreamRules, permissions: Permissions, tasks: Pick<Tasks, 'get'> }

export function historyRoutes (scope: Scope, { access, history, rules, permissions, tasks }: HistoryParts): void {
  /**
   * Returns the part of a stream that the caller may read: what their socket could recover, or all of it if `authorize` allows that.
   *
   * @throws WSM_ERR_FORBIDDEN, WSM_ERR_UNAVAILABLE, and errors of the app's own
   */
  async function readable (request: FastifyRequest, topic: string, isFromStart: boolean): Promise<Readable> {
    const user = userOf(request)
    if (topic === topicOf.user(user.id) || await isOwnTask(topic, user.id)) return ALL
    const channel = channelOf(topic)
    const { fromStart, latest: isLatest } = rules.of(topic)
    const isAllowed = !isFromStart || fromStart || isLatest
    let refusal: DetailedError | null = null
    if (isAllowed) {
      if (topicsOf(user).includes(topic)) return ALL
      if (channel !== null) {
        try {
          return { notBefore: await permissions.subscribe(user, channel, null), isLatest }
        } catch (error) {
          if (!isDenial(error)) throw error
          refusal = error
        }
      }
    }
    try {
      await permissions.rest(request, 'history:read', user, isAllowed ? undefined : FROM_START)
    } catch (error) {
      throw refusal?.isAppError === true && isDenial(error) ? refusal : error
    }
    return ALL
  }

  async function isOwnTask (topic: string, userId: string): Promise<boolean> {
    const taskId = taskOf(topic)
    return taskId !== null && (await tasks.get(taskId, { cluster: true }))?.user_id === userId
  }

  scope.get('/history', {
    schema: {
      tags,
      summary: 'History of a stream, oldest first: one\'s own, what one\'s socket could recover, or with permission any',
      querystring: queryOf(HistoryQuery),
      response: answers(StreamHistoryPage, 400, 401, 403, 503)
    },
    onRequest: access.authenticated
  }, async (request) => {
    const { topic, limit, after } = request.query
    if (!isTopic(topic)) throw invalidMessage([{ path: '/topic', message: 'Expected all, user:<user_id>, role:<role>, channel:<channel> or task:<task_id>' }])
    const part = await readable(request, topic, after === undefined)
    // Asking the app may have taken a while.
    access.assertTokenStillValid(request)
    return history.page(topic, positionOf(after), limit, part)
  })
}

/** Parses `<offset>:<epoch>`; null: from the start. */
function positionOf (after: string | undefined) {
  if (after === undefined) return null
  const [offset, epoch] = after.split(':') as [string, string]
  return { epoch, offset: Number(offset) }
}
