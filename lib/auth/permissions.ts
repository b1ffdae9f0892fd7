import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { AnyClient, Client } from '../client.js'
import { ForbiddenError, InternalError, UnavailableError } from '../errors.js'
import { toClientError, toWire, type DetailedError } from '../wire-error.js'
import type { BoundedWaits } from '../bounded-waits.js'
import { isThenable } from '../thenable.js'
import { logThrown } from '../thrown.js'
import { isGranted, type AdmittedUser, type User } from '../user.js'
import type { JoinDecision, RestAction, SendTarget } from './decisions.js'
import type { AuthOptions } from './options.js'

/** Permission required by the default `authorize`. */
const ADMIN_PERMISSION = 'ws:admin'

/** A call of an `authorize…` hook. */
export interface Question {
  /** Name of the hook, for the log. */
  hook: string
  /** Subject and caller, for the log. */
  about: Readonly<Record<string, unknown>>
  /** Message to the client if the hook denies. */
  denial: string
}

/**
 * Calls the app's `authorize…` hooks. Each method resolves if the action is allowed and throws WSM_ERR_FORBIDDEN if not. An error
 * that a handler may show its caller is passed on, as from a handler. If a hook throws anything else, or exceeds
 * `auth.timeoutMs`, it has not decided (its database may be down): that is logged, and the action fails with WSM_ERR_UNAVAILABLE.
 * An invalid decision is the app's fault and fails with WSM_ERR_INTERNAL.
 */
export class Permissions {
  readonly #options: Pick<AuthOptions, 'auth' | 'authorize' | 'authorizeSubscribe' | 'authorizeSend'>
  readonly #log: FastifyBaseLogger
  readonly #waits: BoundedWaits
  /** Missing options that have been logged. */
  readonly #missing = new Set<string>()

  constructor (options: Pick<AuthOptions, 'auth' | 'authorize' | 'authorizeSubscribe' | 'authorizeSend'>, waits: BoundedWaits, log: FastifyBaseLogger) {
    this.#options = options
    this.#waits = waits
    this.#log = log
  }

  /** @param denial message to the caller if the hook denies */
  async rest (request: FastifyRequest, action: RestAction, user: User, denial = `You may not do this: ${action}`): Promise<void> {
    const { authorize } = this.#options
    await this.decide({ hook: 'authorize', about: { action, user_id: user.id }, denial },
      () => authorize === undefined ? isGranted(user, ADMIN_PERMISSION) : authorize(request, action, user))
  }

  /**
   * Resolves to the publication time of the oldest message that may be read, milliseconds since 1970; 0: any.
   *
   * @param user owner of the subscription: `client.user` may have changed since, or be the previous one
   * @param client null: its socket is not open yet, or the caller reads by REST
   */
  subscribe (user: User | null, channel: string, client: AnyClient | null): Promise<number> {
    const { authorizeSubscribe } = this.#options
    return this.join({ hook: 'authorizeSubscribe', about: { channel, ...namesOf(user, client) }, denial: `You may not join channel "${channel}"` },
      () => authorizeSubscribe === undefined ? this.#nobody('authorizeSubscribe', 'may join a channel') : authorizeSubscribe(user as AdmittedUser, channel, client as Client | null))
  }

  /** Runs any hook that decides about joining. */
  async join (question: Question, hook: () => JoinDecision | Promise<JoinDecision>): Promise<number> {
    const since = this.#sinceOf(question, await this.#ask(question, hook))
    if (since === null) throw new ForbiddenError(question.denial)
    return since
  }

  async send (user: User | null, target: SendTarget, client: AnyClient): Promise<void> {
    const { kind, id } = target
    const { authorizeSend } = this.#options
    await this.decide({ hook: 'authorizeSend', about: { target: { kind, id }, ...namesOf(user, client) }, denial: `You may not send to ${kind} "${id}"` },
      () => authorizeSend === undefined ? this.#nobody('authorizeSend', 'may send user, channel or client frames') : authorizeSend(user as AdmittedUser, target, client as Client))
  }

  /** Runs one hook; only `true` allows. */
  async decide (question: Question, hook: () => boolean | Promise<boolean>): Promise<void> {
    if (await this.#ask(question, hook) !== true) throw new ForbiddenError(question.denial)
  }

  async #ask<T> (question: Question, hook: () => T | Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options.auth
    const answer = this.#answerOf(question, hook)
    if (!isThenable(answer)) return answer
    const decided = Promise.resolve(answer).catch((error: unknown) => { throw this.#refusal(question, error) })
    return this.#waits.wait(decided, timeoutMs, () => {
      this.#log.error({ hook: question.hook, ...question.about, timeout_ms: timeoutMs }, 'an authorize hook timed out; the action was refused')
      throw undecided()
    })
  }

  #answerOf<T> (question: Question, hook: () => T): T {
    try {
      return hook()
    } catch (error) {
      throw this.#refusal(question, error)
    }
  }

  #refusal (question: Question, error: unknown): Error {
    if (toWire(error).statusCode < 500) return toClientError(error)
    this.#failed(question, error)
    return undecided()
  }

  #sinceOf (question: Question, decision: JoinDecision): number | null {
    try {
      return sinceOf(decision)
    } catch (error) {
      this.#failed(question, error)
      throw new InternalError()
    }
  }

  #failed ({ hook, about }: Question, error: unknown): void {
    logThrown(this.#log, 'error', error, { hook, ...about }, 'an authorize hook failed; the action was refused')
  }

  /** Denies because the option is missing, and logs that once. */
  #nobody (option: string, may: string): false {
    if (!this.#missing.has(option)) this.#log.warn({ option }, `option "${option}" is missing, so nobody ${may}`)
    this.#missing.add(option)
    return false
  }
}

/** Returns true if a hook denied, with an error of the catalogue or of the app; other errors are no decision. */
export function isDenial (error: unknown): error is DetailedError {
  return (error as DetailedError).statusCode === 403
}

/** Returns the caller, for the log. */
export function namesOf (user: User | null, client: Pick<AnyClient, 'id'> | null): { user_id: string | null, client_id: string | null } {
  return { user_id: user?.id ?? null, client_id: client?.id ?? null }
}

function undecided (): Error {
  return new UnavailableError('Authorization is temporarily unavailable')
}

/**
 * null: denied.
 *
 * @throws TypeError for an object without a valid `since`: it may have been meant to restrict access
 */
function sinceOf (decision: JoinDecision): number | null {
  if (typeof decision !== 'object' || decision === null) return decision === true ? 0 : null
  const { since } = decision
  if (!Number.isFinite(since) || since < 0) throw new TypeError(`since must be a finite number of milliseconds since 1970, got ${typeof since === 'number' ? since : since === null ? 'null' : typeof since}`)
  return since
}
