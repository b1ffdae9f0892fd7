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

type EndpointChannels = (request: FastifyRequest, user: AdmittedUser) => readonly string[] | Promise<readonly string[]>

/** The channels and the authorization of an app's endpoint (row H4). */
export interface EndpointRule {
  /** The channels that every socket of the endpoint is a member of. */
  channels: readonly string[] | EndpointChannels
  /** Decides on the user's connect: a boolean, or `{ since }` as for `authorizeSubscribe`. */
  authorize: (request: FastifyRequest, user: AdmittedUser) => JoinDecision | Promise<JoinDecision>
}

const checkChannels = TypeCompiler.Compile(Type.Array(ChannelName))

/** Runs the hooks of the app's endpoints: who may connect, and to which channels. */
export class Endpoints {
  readonly #permissions: Permissions
  /** Ends pending hooks when the server closes. */
  readonly #waits: BoundedWaits
  readonly #timeoutMs: number
  readonly #log: FastifyBaseLogger

  /** @param timeoutMs time allowed for a hook */
  constructor (permissions: Permissions, waits: BoundedWaits, timeoutMs: number, log: FastifyBaseLogger) {
    this.#permissions = permissions
    this.#waits = waits
    this.#timeoutMs = timeoutMs
    this.#log = log
  }

  /**
   * Asks whether the user may connect. Resolves to the moment from which the endpoint's channels may be read, milliseconds since 1970.
   *
   * @throws WSM_ERR_FORBIDDEN, WSM_ERR_UNAVAILABLE, or an error of the app's own
   */
  connect (rule: EndpointRule, request: FastifyRequest, user: User | null): Promise<number> {
    return this.#permissions.join({ hook: 'authorize', about: namesFor(request, user), denial: 'You may not connect here' }, () => rule.authorize(request, user as AdmittedUser))
  }

  /**
   * Returns the channels that the user joins.
   *
   * @throws WSM_ERR_UNAVAILABLE; WSM_ERR_INTERNAL if the app's function throws or returns something else, except for errors of the catalogue
   */
  async channels (rule: EndpointRule, request: FastifyRequest, user: User | null): Promise<readonly string[]> {
    if (typeof rule.channels !== 'function') return rule.channels
    const timeoutMs = this.#timeoutMs
    try {
      return await this.#waits.wait(channelsFrom(rule.channels, request, user), timeoutMs, () => {
        this.#log.error({ ...namesFor(request, user), timeout_ms: timeoutMs }, 'the channels function of an endpoint timed out')
        throw new UnavailableError('The channels of this endpoint are temporarily unavailable')
      })
    } catch (error) {
      const { code, isAppError } = toWire(error)
      if (code !== 'internal' && !isAppError) throw toClientError(error)
      logThrown(this.#log, 'error', error, namesFor(request, user), 'the channels function of an endpoint failed')
      throw new InternalError()
    }
  }
}

/** Returns the endpoint and its caller, for the log. */
function namesFor ({ routeOptions: { url } }: FastifyRequest, user: User | null): Record<string, unknown> {
  return { endpoint: url, ...namesOf(user, null) }
}

async function channelsFrom (hook: EndpointChannels, request: FastifyRequest, user: User | null): Promise<readonly string[]> {
  const channels = await hook(request, user as AdmittedUser)
  if (!checkChannels.Check(channels)) throw new TypeError('the channels of an endpoint must be an array of channel names')
  return channels
}
