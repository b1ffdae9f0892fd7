import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Client } from '../client.js'
import { ForbiddenError, InternalError, UnavailableError } from '../errors.js'
import type { Options } from '../options.js'
import { logThrown } from '../thrown.js'
import { isGranted, type User } from '../user.js'

/** What a REST route does, as `authorize` is asked about it. */
export type RestAction =
  | 'status' | 'broadcast' | 'send:user' | 'send:channel' | 'send:client'
  | 'clients:list' | 'clients:read' | 'clients:disconnect'
  | 'channels:list' | 'channels:read' | 'history:read'
  | 'confirmations:list' | 'confirmations:read' | 'confirmations:cancel'
  | 'tasks:list' | 'tasks:read' | 'tasks:cancel'
  | 'revocations:create'

/** What a client's own `user`, `channel` or `client` frame is addressed to. */
export interface SendTarget {
  kind: 'user' | 'channel' | 'client'
  /** The user's, channel's or client's id. */
  id: string
  /** The message that would be delivered. */
  data: Readonly<Record<string, unknown>>
}

/** Decision on a join: allowed or not; with `since` (milliseconds since 1970) no recovery returns older messages. */
export type JoinDecision = boolean | { since: number }

/** The permission that the default `authorize` asks for. */
const ADMIN_PERMISSION = 'ws:admin'

/**
 * Asks the app's `authorize…` hooks. Each method resolves when the action is allowed and throws WSM_ERR_FORBIDDEN when
 * it is not. A hook that throws has not decided (its database may be away): that is logged, and nothing is done, with
 * WSM_ERR_UNAVAILABLE. A decision that is none is the app's fault, WSM_ERR_INTERNAL.
 */
export class Permissions {
  readonly #options: Pick<Options, 'authorize' | 'authorizeSubscribe' | 'authorizeSend'>
  readonly #log: FastifyBaseLogger

  constructor (options: Pick<Options, 'authorize' | 'authorizeSubscribe' | 'authorizeSend'>, log: FastifyBaseLogger) {
    this.#options = options
    this.#log = log
  }

  async rest (request: FastifyRequest, action: RestAction, user: User): Promise<void> {
    const { authorize } = this.#options
    await this.decide(`You may not do this: ${action}`,
      () => authorize === undefined ? isGranted(user, ADMIN_PERMISSION) : authorize(request, action, user))
  }

  /**
   * Resolves to when the oldest message that may be read was published, milliseconds since 1970; 0: any.
   *
   * @param user whose subscription it would be: `client.user` can be another one by now, or the one before
   * @param client null: its socket is not open yet, or it reads by REST
   */
  subscribe (user: User | null, channel: string, client: Client | null): Promise<number> {
    return this.join(`You may not join channel "${channel}"`,
      () => this.#options.authorizeSubscribe?.(user, channel, client) ?? false)
  }

  /** The same for any hook that decides who may join. */
  async join (denial: string, hook: () => JoinDecision | Promise<JoinDecision>): Promise<number> {
    const since = this.#sinceOf(await this.#ask(hook))
    if (since === null) throw new ForbiddenError(denial)
    return since
  }

  async send (user: User | null, target: SendTarget, client: Client): Promise<void> {
    await this.decide(`You may not send to ${target.kind} "${target.id}"`,
      () => this.#options.authorizeSend?.(user, target, client) ?? false)
  }

  /** Runs one hook of the app; only `true` allows. */
  async decide (denial: string, hook: () => boolean | Promise<boolean>): Promise<void> {
    if (await this.#ask(hook) !== true) throw new ForbiddenError(denial)
  }

  async #ask<T> (hook: () => T | Promise<T>): Promise<T> {
    try {
      return await hook()
    } catch (error) {
      this.#failed(error)
      throw new UnavailableError('It cannot be decided at the moment whether this is allowed')
    }
  }

  #sinceOf (decision: JoinDecision): number | null {
    try {
      return sinceOf(decision)
    } catch (error) {
      this.#failed(error)
      throw new InternalError()
    }
  }

  #failed (error: unknown): void {
    logThrown(this.#log, 'error', error, {}, 'an authorize hook failed; nothing is decided')
  }
}

/**
 * null: denied.
 *
 * @throws TypeError for an object without a valid `since`: it may have been meant to restrict access
 */
function sinceOf (decision: JoinDecision): number | null {
  if (typeof decision !== 'object' || decision === null) return decision === true ? 0 : null
  const { since } = decision
  if (!Number.isFinite(since) || since < 0) throw new TypeError(`since must be a finite number of milliseconds since 1970, got ${typeof since === 'number' ? since : Object.prototype.toString.call(since)}`)
  return since
}
