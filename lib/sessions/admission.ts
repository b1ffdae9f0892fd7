import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { ChannelName } from '../../schemas/fields.js'
import { closeCodes, type CloseCode } from '../../schemas/codes.js'
import type { ConnectionOrigin } from '../socket/origin.js'
import { InternalError, TooManyChannelsError, UnauthorizedError, UnavailableError, toClientError, toWire } from '../errors.js'
import type { BoundedWaits } from '../bounded-waits.js'
import { decodePositions } from '../protocol/decode.js'
import { assertValid } from '../validation/faults.js'
import { logThrown } from '../thrown.js'
import type { Positions } from '../recovery.js'
import type { Counters } from '../telemetry/counters.js'
import type { AuthOptions } from '../auth/options.js'
import type { Authenticator } from '../auth/authenticator.js'
import { carriesToken, assertOneAuthorization } from '../auth/credentials.js'
import { OriginPolicy } from '../auth/origin.js'
import type { JoinDecision } from '../auth/decisions.js'
import { namesOf, type Permissions } from '../auth/permissions.js'
import type { StreamLimits } from '../streams/options.js'
import type { Revocations } from './revocations.js'
import type { Tickets } from '../auth/tickets.js'
import type { AdmittedUser, User } from '../user.js'

/** The channels and the authorisation of an endpoint of the app (row H4). */
export interface EndpointRule {
  /** The channels that every socket of the endpoint is a member of. */
  channels: readonly string[] | ((request: FastifyRequest, user: AdmittedUser) => readonly string[] | Promise<readonly string[]>)
  /** Decides on the user's connect: a boolean, or `{ since }` as for `authorizeSubscribe`. */
  authorize: (request: FastifyRequest, user: AdmittedUser) => JoinDecision | Promise<JoinDecision>
}

const NO_POSITIONS: Positions = {}
const NO_BOUNDS = new Map<string, number>()
const checkChannel = TypeCompiler.Compile(ChannelName)
const checkChannels = TypeCompiler.Compile(Type.Array(ChannelName))

/** Decides before the upgrade whether a socket may open, and as whom. */
export class Admission {
  readonly #authenticator: Authenticator
  readonly #tickets: Tickets
  readonly #revocations: Revocations
  readonly #origins: OriginPolicy
  readonly #permissions: Permissions
  readonly #options: AuthOptions['auth']
  readonly #maxChannels: number
  readonly #counters: Counters
  readonly #log: FastifyBaseLogger
  /** Gives up the decisions that are under way. */
  readonly #waits: BoundedWaits
  #verifyLater: ConnectionOrigin['verify'] | null = null

  /** @throws WSM_ERR_INVALID_OPTION for `origins` that cannot be meant */
  constructor (authenticator: Authenticator, tickets: Tickets, revocations: Revocations, permissions: Permissions, waits: BoundedWaits,
    options: Pick<AuthOptions, 'auth' | 'authenticate' | 'origins'> & { limits: StreamLimits },
    counters: Counters, log: FastifyBaseLogger) {
    const { auth, limits, origins } = options
    this.#authenticator = authenticator
    this.#tickets = tickets
    this.#revocations = revocations
    this.#origins = new OriginPolicy(origins, auth.cookie !== undefined || options.authenticate !== undefined)
    this.#permissions = permissions
    this.#waits = waits
    this.#options = auth
    this.#maxChannels = limits.maxChannelsPerConnection
    this.#counters = counters
    this.#log = log
  }

  /**
   * The user of a REST request.
   *
   * @throws WSM_ERR_UNAUTHORIZED, WSM_ERR_UNAVAILABLE, WSM_ERR_FORBIDDEN for one that another site may have forged
   */
  async identify (request: FastifyRequest): Promise<User> {
    const user = await this.#identify(request)
    if (user === null) throw new UnauthorizedError('A token is needed')
    return user
  }

  /**
   * The user of a request that does what a socket can do, too. null: nobody, where sockets may be anonymous.
   *
   * @throws as `identify`
   */
  identifyCaller (request: FastifyRequest): Promise<User | null> {
    return this.#options.anonymous ? this.#identify(request) : this.identify(request)
  }

  /**
   * Whether pages of the request's origin may open a socket.
   *
   * @throws WSM_ERR_FORBIDDEN
   */
  assertOrigin (request: FastifyRequest): void {
    const isAmbient = ticketOf(request) === undefined && this.#authenticator.isAmbient(request)
    this.#assertOrigin(() => this.#origins.assertAllowed(request, isAmbient))
  }

  /**
   * Decides on an upgrade, and returns what the socket starts with. `auth.firstFrame` does not apply to endpoints, which must know
   * the user before the socket opens.
   *
   * @throws WSM_ERR_UNAUTHORIZED, WSM_ERR_FORBIDDEN (the origin's, too), WSM_ERR_INVALID_MESSAGE, WSM_ERR_TOO_MANY_CHANNELS,
   *   WSM_ERR_UNAVAILABLE, and what the endpoint's rule throws
   */
  async admit (request: FastifyRequest, endpoint: EndpointRule | null): Promise<ConnectionOrigin> {
    this.assertOrigin(request)
    return this.#admit(request, endpoint)
  }

  async #identify (request: FastifyRequest): Promise<User | null> {
    this.#assertOrigin(() => this.#origins.assertNotForged(request, this.#authenticator.isAmbient(request)))
    return this.#inTime(this.#good(this.#userOf(request)))
  }

  async #admit (request: FastifyRequest, endpoint: EndpointRule | null): Promise<ConnectionOrigin> {
    const { channel_id: channelId = null } = request.query as { channel_id?: unknown }
    const ticket = ticketOf(request)
    const user = await this.#inTime(this.#good(ticket === undefined ? this.#userOf(request) : this.#redeem(request, ticket)))
    const identifiedAt = this.#revocations.now()
    const mayWait = this.#options.firstFrame && endpoint === null
    if (user === null && !this.#options.anonymous && !mayWait) throw new UnauthorizedError('A token is needed')
    const awaitsAuth = user === null && !this.#options.anonymous
    if (channelId !== null) assertValid(checkChannel, channelId)
    const channelSince = channelId === null || awaitsAuth ? null : await this.#permissions.subscribe(user, channelId as string, null)
    const endpointSince = endpoint === null ? 0 : await this.#mayConnect(endpoint, request, user)
    const endpointChannels = endpoint === null ? [] : await this.#channelsOf(endpoint, request, user)
    if (new Set(channelId === null ? endpointChannels : [...endpointChannels, channelId]).size > this.#maxChannels) {
      throw new TooManyChannelsError(this.#maxChannels)
    }
    // The app may have taken its time.
    if (user !== null) this.#revocations.assertStillGood(user, identifiedAt)
    const notBefore = channelSince === null && endpointChannels.length === 0 ? NO_BOUNDS : new Map(endpointChannels.map((channel) => [channel, endpointSince]))
    if (channelSince !== null) notBefore.set(channelId as string, Math.max(channelSince, notBefore.get(channelId as string) ?? 0))
    return {
      // A socket of a Unix domain, or of injectWS, has no address.
      ip: request.ip ?? '',
      user,
      identifiedAt,
      awaitsAuth,
      channelId: channelId as string | null,
      recovery: { positions: positionsFrom(request.query), notBefore },
      endpointChannels,
      verify: this.#detached(request)
    }
  }

  #mayConnect (rule: EndpointRule, request: FastifyRequest, user: User | null): Promise<number> {
    return this.#permissions.join({ hook: 'authorize', about: placeOf(request, user), denial: 'You may not connect here' }, () => rule.authorize(request, user as AdmittedUser))
  }

  async #channelsOf (rule: EndpointRule, request: FastifyRequest, user: User | null): Promise<readonly string[]> {
    const { timeoutMs } = this.#options
    try {
      return await this.#waits.wait(channelsOf(rule, request, user), timeoutMs, (isClosing) => {
        if (isClosing) throw closing()
        this.#log.error({ ...placeOf(request, user), timeout_ms: timeoutMs }, 'an endpoint took too long to name its channels')
        throw new UnavailableError('The channels of this endpoint cannot be known at the moment')
      })
    } catch (error) {
      const { code, isAppError } = toWire(error)
      if (code !== 'internal' && !isAppError) throw toClientError(error)
      logThrown(this.#log, 'error', error, placeOf(request, user), 'an endpoint failed to name its channels')
      throw new InternalError()
    }
  }

  async #userOf (request: FastifyRequest): Promise<User | null> {
    // A request of injectWS has none.
    assertOneAuthorization(request.raw.rawHeaders ?? [])
    return this.#authenticator.identify(request)
  }

  async #redeem (request: FastifyRequest, ticket: unknown): Promise<User> {
    if (carriesToken(request.headers)) throw new UnauthorizedError('The request carries a token and a ticket')
    return this.#tickets.redeem(ticket)
  }

  /** Checks that the token of an identified user has not been revoked. */
  async #good<U extends User | null> (identified: Promise<U>): Promise<U> {
    const user = await identified
    if (user !== null) await this.#revocations.assertGood(user)
    return user
  }

  #assertOrigin (check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#counters.refusals.origin++
      throw error
    }
  }

  /** One function serves all connections. */
  #detached (request: FastifyRequest): ConnectionOrigin['verify'] {
    if (this.#verifyLater === null) {
      const verify = this.#authenticator.detached(request)
      this.#verifyLater = (token) => this.#inTime(this.#good(verify(token)))
    }
    return this.#verifyLater
  }

  /** Bounds authentication in time: a key source or a hook of the app may hang. */
  #inTime<T> (identified: Promise<T>): Promise<T> {
    return this.#waits.wait(identified, this.#options.timeoutMs, (isClosing) => {
      if (isClosing) throw closing()
      this.#log.error(`authentication took longer than ${this.#options.timeoutMs} ms`)
      throw new UnavailableError('Authentication took too long')
    })
  }
}

function closing (): Error {
  return new UnavailableError('The server is closing')
}

/** Returns the endpoint and its caller, for the log. */
function placeOf ({ routeOptions: { url } }: FastifyRequest, user: User | null): Record<string, unknown> {
  return { endpoint: url, ...namesOf(user, null) }
}

/** The ticket of an upgrade; REST requests do not accept one. */
function ticketOf (request: FastifyRequest): unknown {
  return (request.query as { ticket?: unknown }).ticket
}

/** The close frame that says the same as a refusal's HTTP status. */
export function closeCodeFor (refusal: unknown): CloseCode {
  switch (toWire(refusal).code) {
    case 'unauthorized': return closeCodes.unauthorized
    case 'forbidden': return closeCodes.forbidden
    case 'already_connected': return closeCodes.replaced
    case 'too_many_connections':
    case 'rate_limited':
    case 'unavailable': return closeCodes.tryAgainLater
    case 'internal': return closeCodes.internalError
    default: return closeCodes.policyViolation
  }
}

/** @throws WSM_ERR_INVALID_MESSAGE */
function positionsFrom (query: unknown): Positions {
  const { recover } = query as { recover?: unknown }
  return recover === undefined ? NO_POSITIONS : decodePositions(recover)
}

async function channelsOf (rule: EndpointRule, request: FastifyRequest, user: User | null): Promise<readonly string[]> {
  const channels = typeof rule.channels === 'function' ? await rule.channels(request, user as AdmittedUser) : rule.channels
  if (!checkChannels.Check(channels)) throw new TypeError('the channels of an endpoint must be an array of names of channels')
  return channels
}
