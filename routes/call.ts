import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { IdempotencyKey } from '../schemas/fields.js'
import { callReply } from '../schemas/rest.js'
import { UnavailableError, UnknownTypeError } from '../lib/errors.js'
import { isEarlier, toClientError } from '../lib/wire-error.js'
import { networkOf } from '../lib/socket/network.js'
import { logThrown } from '../lib/thrown.js'
import { RestContext } from '../lib/protocol/handler-context.js'
import type { HandlerEntry, Handlers } from '../lib/protocol/handlers.js'
import { replyJson } from '../lib/protocol/reply.js'
import { failureOf, replyOf, type RecordOutcome, type RepeatableCalls } from '../lib/protocol/repeatable-calls.js'
import type { PendingRequests } from '../lib/http/pending-requests.js'
import type { RateBudgets } from '../lib/socket/rate-budgets.js'
import type { Counters } from '../lib/telemetry/counters.js'
import type { Access } from './access.js'
import { answers, tags } from './answers.js'
import { limitDepth } from './body-depth.js'
import { callConfig } from './openapi.js'
import type { Scope } from './scope.js'
import { validatorCompiler } from './validator.js'

/** Accepts any object: `Handlers.call` checks the handler's own schema, as it does for frames. */
const anyObject = validatorCompiler({ schema: Type.Object({}), httpPart: 'body' })

/** The parts that a call passes through, and its limits. */
export interface CallParts {
  access: Access
  handlers: Handlers
  repeatableCalls: RepeatableCalls
  requests: PendingRequests
  rateBudgets: RateBudgets
  counters: Counters
  limits: { maxPayloadBytes: number, maxDepth: number }
  /** Whether callers are identified by bearer tokens, and whether they may have none. */
  callers: { takeBearer: boolean, mayBeAnonymous: boolean }
}

/** Refuses calls of types that have no handler for REST. */
export function noCallRoute (scope: Scope, { access }: Pick<CallParts, 'access'>): void {
  scope.post('/call/:type', { schema: { params: Type.Object({ type: Type.String() }), hide: true } as object, onRequest: access.callers }, ({ params }) => {
    throw new UnknownTypeError((params as { type: string }).type)
  })
}

/** `POST call/<type>`: calls a handler by REST (row J1). The body is the message without its type; an empty body is a message without fields. */
export function callRoute (scope: FastifyInstance, { access, handlers, repeatableCalls, requests, rateBudgets, counters, limits, callers }: CallParts, entry: HandlerEntry): void {
  const bodyLimit = Math.min(scope.initialConfig.bodyLimit!, limits.maxPayloadBytes)
  /** Charges a call to the caller's budget, as a frame is. */
  const charge = async (request: FastifyRequest): Promise<void> => {
    const now = performance.now()
    const budget = request.wsUser === null ? rateBudgets.ofNobody(networkOf(request.ip)) : rateBudgets.of(request.wsUser.id)
    const exceeded = rateBudgets.take(budget, sizeOf(request), now)
    if (exceeded === null) {
      const waitMs = entry.rate === null ? 0 : rateBudgets.takeOfType(budget, entry.type, entry.rate, now)
      if (waitMs === 0) return
      throw counters.limits.type_messages.refuse(entry.type, waitMs)
    }
    throw counters.limits[exceeded].refuse(rateBudgets.waitMs(budget, now), 'call')
  }
  scope.route({
    method: 'POST',
    url: `/call/${entry.type}`,
    schema: {
      tags,
      summary: `Calls ${entry.type}`,
      headers: Type.Object({ 'Idempotency-Key': Type.Optional(IdempotencyKey) }),
      body: entry.schema,
      response: answers(callReply(entry.reply), 400, 401, 403, 404, 409, 413, 415, 503)
    },
    config: callConfig(entry.type, callers.takeBearer ? { isOptional: callers.mayBeAnonymous } : null),
    validatorCompiler: () => anyObject,
    bodyLimit,
    preParsing: limitDepth(limits.maxDepth, counters.limits.depth),
    preValidation: (request, _reply, done) => {
      if (request.body === undefined) request.body = {}
      done()
    },
    onRequest: access.callers,
    preHandler: charge,
    // Only the first reply counts: an early one, the handler's result, or its error.
    handler: (request) => new Promise((resolve, reject) => {
      const { wsUser: user } = request
      const log = request.log.child({ user_id: user?.id ?? null })
      const pending = request.wsPending!
      let isReplied = false
      let record: RecordOutcome | null = null
      /** True if the caller hung up, the token was revoked, or the server closed, before the call was run. */
      let isInterrupted = false
      const send = (json: string) => {
        isReplied = true
        resolve({ data: JSON.parse(json) })
      }
      const reply = (data: unknown) => {
        if (isReplied) return
        const json = replyJson(data, entry.replySchema, { log })
        record?.({ json })
        send(json)
      }
      const context = new RestContext(user, pending.signal, log, reply)
      const handle = () => handlers.call(entry.type, request.body as object, () => context)
      const run = async () => {
        try {
          // The handler may revoke the token that it was called with.
          reply(await requests.runRevoking(pending, handle))
        } catch (error) {
          record?.(context.isStarted ? failureOf(error, pending.signal.aborted) : null)
          throw error
        }
      }
      const { 'idempotency-key': key } = request.headers
      const once = async (userId: string) => {
        const begun = await repeatableCalls.begin(userId, key, entry.type, request.body as object, pending)
        const settled = 'wait' in begun ? await begun.wait() : begun
        if (settled !== null && 'outcome' in settled) return send(replyOf(settled.outcome))
        if (settled === null || pending.signal.aborted) {
          settled?.record(null)
          isInterrupted = true
          access.assertTokenStillValid(request)
          throw new UnavailableError('The call was interrupted before it was run')
        }
        record = settled.record
        return run()
      }
      // Keys of anonymous callers would mix.
      const work = key === undefined || user === null ? run : () => once(user.id)
      access.carryOut(request, work).catch((error: unknown) => {
        const clientError = toClientError(error)
        const isExpected = isInterrupted || isEarlier(error)
        if (!isExpected && (clientError.statusCode! >= 500 || isReplied)) logThrown(log, 'error', error, { type: entry.type }, 'a handler failed')
        reject(clientError)
      })
    })
  })
}

/** Returns the uncompressed size of a body, since its Content-Length can be missing or that of the compressed form. */
function sizeOf ({ headers, body }: FastifyRequest): number {
  const { 'content-length': length, 'content-encoding': encoding } = headers
  if (length !== undefined && encoding === undefined) return Number(length)
  return Buffer.byteLength(JSON.stringify(body))
}
