import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { AnyClient, Client } from '../client.js'
import { ForbiddenError, InternalError, UnavailableError, toClientError, toWire, type DetailedError } from '../errors.js'
import type { BoundedWaits } from '../bounded-waits.js'
import { isThenable } from '../thenable.js'
import { logThrown } from '../thrown.js'
import { isGranted, type AdmittedUser, type User } from '../user.js'
import type { JoinDecision, RestAction, SendTarget } from './decisions.js'
import type { AuthOptions } from './options.js'

/** The permission that the default `authorize` asks for. */
const ADMIN_PERMISSION = 'ws:admin'

/** A question to an `authorize…` hook. */
export interface Question {
  /** The name of the hook, for the log. */
  hook: string
  /** What it is about and whose it is, for the log. */
  about: Readonly<Record<string, unknown>>
  /** The message to the client where the answer is no. */
  denial: string
}

const LATE = Symbol('late')
const CLOSING = Symbol('closing')

/**
 * Asks the app's `authorize…` hooks. Each method resolves when the action is allowed and throws WSM_ERR_FORBIDDEN when
 * it is not. An error that a handler may tell its caller passes, as that of a handler does. A hook that throws anything else, or takes
 * longer than `auth.timeoutMs`, has not decided (its database may be away): that is logged, and nothing is done, with
 * WSM_ERR_UNAVAILABLE. A decision that is none is the app's fault, WSM_ERR_INTERNAL.
 */
export class Permissions {
  readonly #options: Pick<AuthOptions, 'auth' | 'authorize' | 'authorizeSubscribe' | 'authorizeSend'>
  readonly #log: FastifyBaseLogger
  readonly #waits: BoundedWaits
  /** Options that are missing and have been named. */
  readonly #missing = new Set<string>()

  constructor (options: Pick<AuthOptions, 'auth' | 'authorize' | 'authorizeSubscribe' | 'authorizeSend'>, waits: BoundedWaits, log: FastifyBaseLogger) {
    this.#options = options
    this.#waits = waits
    this.#log = log
  }

  /** @param denial the message to the caller where the answer is no */
  async rest (request: FastifyRequest, action: RestAction, user: User, denial = `You may not do this: ${action}`): Promise<void> {
    const { authorize } = this.#options
    await this.decide({ hook: 'authorize', about: { action, user_id: user.id }, denial },
      () => authorize === undefined ? isGranted(user, ADMIN_PERMISSION) : authorize(request, action, user))
  }

  /**
   * Resolves to when the oldest message that may be read was published, milliseconds since 1970; 0: any.
   *
   * @param user whose subscription it would be: `client.user` can be another one by now, or the one before
   * @param client null: its socket is not open yet, or it reads by REST
   */
  subscribe (user: User | null, channel: string, client: AnyClient | null): Promise<number> {
    const { authorizeSubscribe } = this.#options
    return this.join({ hook: 'authorizeSubscribe', about: { channel, ...namesOf(user, client) }, denial: `You may not join channel "${channel}"` },
      () => authorizeSubscribe === undefined ? this.#nobody('authorizeSubscribe', 'may join a channel') : authorizeSubscribe(user as AdmittedUser, channel, client as Client | null))
  }

  /** The same for any hook that decides who may join. */
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

  /** Runs one hook of the app; only `true` allows. */
  async decide (question: Question, hook: () => boolean | Promise<boolean>): Promise<void> {
    if (await this.#ask(question, hook) !== true) throw new ForbiddenError(question.denial)
  }

  async #ask<T> (question: Question, hook: () => T | Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options.auth
    let answer: T | typeof LATE | typeof CLOSING
    try {
      const given = hook()
      answer = isThenable(given) ? await this.#waits.wait(Promise.resolve(given), timeoutMs, (isClosing): typeof LATE | typeof CLOSING => isClosing ? CLOSING : LATE) : given
    } catch (error) {
      throw this.#refusal(question, error)
    }
    if (answer === CLOSING) throw new UnavailableError('The server is closing')
    if (answer !== LATE) return answer
    this.#log.error({ hook: question.hook, ...question.about, timeout_ms: timeoutMs }, 'an authorize hook took too long; nothing is decided')
    throw undecided()
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
    logThrown(this.#log, 'error', error, { hook, ...about }, 'an authorize hook failed; nothing is decided')
  }

  /** Denies by default, and says so once. */
  #nobody (option: string, may: string): false {
    if (!this.#missing.has(option)) this.#log.warn({ option }, `the option ${option} is not given, so nobody ${may}`)
    this.#missing.add(option)
    return false
  }
}

/** Tells whether a hook has said no, with an error of the catalogue or of the app's own; other errors decide nothing. */
export function isDenial (error: unknown): error is DetailedError {
  return (error as DetailedError).statusCode === 403
}

/** Returns who asks, for the log. */
export function namesOf (user: User | null, client: Pick<AnyClient, 'id'> | null): { user_id: string | null, client_id: string | null } {
  return { user_id: user?.id ?? null, client_id: client?.id ?? null }
}

function undecided (): Error {
  return new UnavailableError('It cannot be decided at the moment whether this is allowed')
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
