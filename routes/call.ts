import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { callReply } from '../schemas/rest.js'
import { guardedAbort } from '../lib/abort.js'
import { isOurs, toClientError } from '../lib/errors.js'
import { logThrown } from '../lib/thrown.js'
import { RestContext } from '../lib/protocol/handler-context.js'
import type { HandlerEntry } from '../lib/protocol/handlers.js'
import { Access, userOf } from './access.js'
import { answers, tags } from './answers.js'
import type { RouteContext } from './context.js'
import { answerError } from './error-answer.js'
import { validatorCompiler } from './validator.js'

/** The handler's own schema is checked where its socket's is, in the call. */
const anyObject = validatorCompiler({ schema: Type.Object({}), httpPart: 'body' })

/** `POST <path>/call/<type>`: a handler by REST (row J1). The body is the message; its type is in the path. */
export function callRoute (fastify: FastifyInstance, url: string, { admission, permissions, handlers }: RouteContext, entry: HandlerEntry): void {
  const access = new Access(admission, permissions)
  fastify.route({
    method: 'POST',
    url,
    schema: {
      tags,
      summary: `Calls ${entry.type}`,
      body: entry.schema,
      response: answers(callReply(entry.replySchema), 400, 401, 403, 404, 409, 413, 415, 429, 503)
    },
    validatorCompiler: () => anyObject,
    // As a socket gets it: a compiled serializer would leave out what the schema does not name.
    serializerCompiler: () => (body) => serialize(body),
    errorHandler: answerError,
    onRequest: access.authenticated,
    // The first answer counts: the handler's own, or what it returns or throws.
    handler: (request, reply) => new Promise((resolve, reject) => {
      const user = userOf(request)
      const log = request.log.child({ user_id: user.id })
      const hangUp = guardedAbort((thrown) => logThrown(log, 'error', thrown, { type: entry.type }, 'an abort listener failed'))
      reply.raw.once('close', () => { if (!reply.raw.writableFinished) hangUp.abort() })
      // The caller may have hung up while hooks of the host ran.
      if (request.raw.socket.destroyed) hangUp.abort()
      let isAnswered = false
      const answer = (data: unknown) => {
        isAnswered = true
        resolve({ data: data ?? null })
      }
      const context = new RestContext(user, hangUp.signal, log, answer)
      handlers.call(entry.type, request.body as object, context).then(answer).catch((error: unknown) => {
        const told = toClientError(error)
        if (told.statusCode! >= 500 || isAnswered) logThrown(log, 'error', error, { type: entry.type }, 'a handler failed')
        reject(told)
      })
    })
  })
}

/** @throws what the app's toJSON throws; an error of ours as a copy, since Fastify writes into it */
function serialize (body: unknown): string {
  try {
    return JSON.stringify(body)
  } catch (error) {
    throw isOurs(error) ? toClientError(error) : error
  }
}
