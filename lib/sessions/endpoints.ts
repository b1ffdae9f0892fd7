import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { ChannelName } from '../../schemas/fields.js'
import type { JoinDecision } from '../auth/decisions.js'
import { namesOf, type Permissions } from '../auth/permissions.js'
import type { BoundedWaits } from '../bounded-waits.js'
import { InternalError, UnavailableError } from '../errors.js'
import { toClientError, toWire } from '../wire-error.js'
import { logThrown } from '../thrown.js'
import type { AdmittedUser, User } from '../user.js'

/** The channels and the authorisation of an endpoint of the app (row H4). */
export interface EndpointRule {
  /** The channels that every socket of the endpoint is a member of. */
  channels: readonly string[] | ((request: FastifyRequest, user: AdmittedUser) => readonly string[] | Promise<readonly string[]>)
  /** Decides on the user's connect: a boolean, or `{ since }` as for `authorizeSubscribe`. */
  authorize: (request: FastifyRequest, user: AdmittedUser) => JoinDecision | Promise<JoinDecision>
}

const checkChannels = TypeCompiler.Compile(Type.Array(ChannelName))

/** Asks the app, by the rules of its endpoints, who may connect and to which channels. */
export class Endpoints {
  readonly #permissions: Permissions
  /** Ends the hooks that are under way when the server closes. */
  readonly #waits: BoundedWaits
  readonly #timeoutMs: number
  readonly #log: FastifyBaseLogger

  /** @param timeoutMs how long a hook may take */
  constructor (permissions: Permissions, waits: BoundedWaits, timeoutMs: number, log: FastifyBaseLogger) {
    this.#permissions = permissions
    this.#waits = waits
    this.#timeoutMs = timeoutMs
    this.#log = log
  }

  /**
   * Returns since when the endpoint's channels may be read, milliseconds since 1970.
   *
   * @throws WSM_ERR_FORBIDDEN, WSM_ERR_UNAVAILABLE, or an error of the app's own
   */
  connect (rule: EndpointRule, request: FastifyRequest, user: User | null): Promise<number> {
    return this.#permissions.join({ hook: 'authorize', about: namesFor(request, user), denial: 'You may not connect here' }, () => rule.authorize(request, user as AdmittedUser))
  }

  /** @throws WSM_ERR_UNAVAILABLE, WSM_ERR_INTERNAL, or an error of the app's own */
  async channels (rule: EndpointRule, request: FastifyRequest, user: User | null): Promise<readonly string[]> {
    const timeoutMs = this.#timeoutMs
    try {
      return await this.#waits.wait(channelsOf(rule, request, user), timeoutMs, (isClosing) => {
        if (isClosing) throw new UnavailableError('The server is closing')
        this.#log.error({ ...namesFor(request, user), timeout_ms: timeoutMs }, 'an endpoint took too long to name its channels')
        throw new UnavailableError('The channels of this endpoint cannot be known at the moment')
      })
    } catch (error) {
      const { code, isAppError } = toWire(error)
      if (code !== 'internal' && !isAppError) throw toClientError(error)
      logThrown(this.#log, 'error', error, namesFor(request, user), 'an endpoint failed to name its channels')
      throw new InternalError()
    }
  }
}

/** Returns the endpoint and its caller, for the log. */
function namesFor ({ routeOptions: { url } }: FastifyRequest, user: User | null): Record<string, unknown> {
  return { endpoint: url, ...namesOf(user, null) }
}

async function channelsOf (rule: EndpointRule, request: FastifyRequest, user: User | null): Promise<readonly string[]> {
  const channels = typeof rule.channels === 'function' ? await rule.channels(request, user as AdmittedUser) : rule.channels
  if (!checkChannels.Check(channels)) throw new TypeError('the channels of an endpoint must be an array of names of channels')
  return channels
}
