import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyRequest } from 'fastify'
import { closeCodes, type CloseCode } from '../../schemas/codes.js'
import { ChannelName } from '../../schemas/fields.js'
import { tokenFromFrame } from '../auth/credentials.js'
import type { AuthOptions } from '../auth/options.js'
import { isDenial, type Permissions } from '../auth/permissions.js'
import { ForbiddenError, InvalidHandshakeError, UnauthorizedError, UnavailableError, UpgradeRequiredError } from '../errors.js'
import { decodePositions } from '../protocol/decode.js'
import type { Positions } from '../recovery.js'
import type { Connection } from '../socket/connection.js'
import type { ConnectionOrigin } from '../socket/origin.js'
import type { StreamLimits } from '../streams/options.js'
import type { Counters } from '../telemetry/counters.js'
import type { User } from '../user.js'
import { assertValid } from '../validation/faults.js'
import { closeFrameFor } from './close-frame.js'
import type { ConnectRate } from './connect-rate.js'
import type { EndpointRule, Endpoints } from './endpoints.js'
import { readHandshake } from './handshake.js'
import type { Identification } from './identification.js'
import type { SessionOptions } from './options.js'
import type { Revocations } from './revocations.js'
import type { RoleLimit } from './role-limit.js'
import type { UserSlots } from './user-slots.js'

/** The parts that an {@link Admission} needs. */
export interface AdmissionParts {
  connectRate: ConnectRate
  slots: UserSlots
  roles: RoleLimit
  identification: Identification
  permissions: Permissions
  endpoints: Endpoints
  revocations: Revocations
  counters: Counters
}

/** The outcome of an upgrade: the origin of its socket, or the close frame with which the socket is refused after it opens. */
export type Outcome = { origin: ConnectionOrigin } | { close: { code: CloseCode, reason: string } }

/** The identity that a socket gets by an `auth` frame, with what its user may read. */
export interface NewIdentity {
  /** null: the socket becomes anonymous. */
  user: User | null
  /** Time of the user's identification, milliseconds since 1970. */
  identifiedAt: number
  /** For the first token: moment from which the channel of the URL may be read, milliseconds since 1970. */
  since: number
  /** For a later token: channels that the socket subscribed to and the user may not read. */
  forbidden: ReadonlySet<string>
}

const NO_POSITIONS: Positions = {}
const NO_BOUNDS = new Map<string, number>()
const checkChannel = TypeCompiler.Compile(ChannelName)

/**
 * Admits sockets, in two steps. `decide` asks the app, which takes time, and the last slot may be taken meanwhile. So `confirm`
 * re-checks everything that may have changed, in the turn in which the socket opens. `auth` frames pass `decideIdentity` and
 * `confirmIdentity` in the same way.
 */
export class Admission {
  readonly #parts: AdmissionParts
  readonly #options: AuthOptions['auth']
  readonly #rejectMode: SessionOptions['rejectMode']
  readonly #maxChannels: number
  #isClosing = false

  constructor (parts: AdmissionParts, { auth, rejectMode, limits }: Pick<AuthOptions, 'auth'> & Pick<SessionOptions, 'rejectMode'> & { limits: StreamLimits }) {
    this.#parts = parts
    this.#options = auth
    this.#rejectMode = rejectMode
    this.#maxChannels = limits.maxChannelsPerConnection
  }

  /** Refuses all further sockets: the server is closing. */
  close (): void {
    this.#isClosing = true
  }

  /**
   * Decides about an upgrade. `auth.firstFrame` does not apply to endpoints, which must know the user before the socket opens.
   *
   * @throws the refusal if it must be the HTTP answer: because of `rejectMode`, or because the handshake is invalid and no socket can be opened to close
   */
  async decide (request: FastifyRequest, endpoint: EndpointRule | null): Promise<Outcome> {
    try {
      if (this.#isClosing) throw new UnavailableError('The server is closing')
      this.#parts.connectRate.hit(request.ip)
      readHandshake(request.raw)
      this.#parts.slots.assertCapacity()
      this.#parts.identification.assertOrigin(request)
      return { origin: await this.#originOf(request, endpoint) }
    } catch (error) {
      return refusal(error, this.#rejectMode)
    }
  }

  /**
   * Confirms a decision in the turn in which the socket opens.
   *
   * @param mode `close` if the upgrade has been answered already
   * @throws as `decide`
   */
  confirm (outcome: Outcome, mode = this.#rejectMode): Outcome {
    if (!('origin' in outcome)) return outcome
    if (this.#isClosing) return { close: { code: closeCodes.goingAway, reason: 'The server is closing' } }
    const { user, identifiedAt } = outcome.origin
    try {
      this.#parts.slots.assertMayOpen(outcome.origin)
      this.confirmIdentity(user, identifiedAt)
      return outcome
    } catch (error) {
      return refusal(error, mode)
    }
  }

  /**
   * Applies the connect rate and the origin check to an upgrade of a URL that is no socket route.
   *
   * @throws WSM_ERR_RATE_LIMITED, WSM_ERR_FORBIDDEN
   */
  screen (request: FastifyRequest): void {
    this.#parts.connectRate.hit(request.ip)
    this.#parts.identification.assertOrigin(request)
  }

  /**
   * Decides about the token of an `auth` frame; without a token the socket becomes anonymous.
   *
   * @throws WSM_ERR_UNAUTHORIZED, WSM_ERR_UNAVAILABLE, WSM_ERR_TOO_MANY_ROLES; WSM_ERR_FORBIDDEN if a switch to another user is refused or the user may not
   *   join the channel of the URL; as `UserSlots.assertFree` if there is no slot; or an error of the app's own
   */
  async decideIdentity (connection: Connection, token: string | undefined): Promise<NewIdentity> {
    const { anonymous, identitySwitch } = this.#options
    const { slots, roles, permissions, revocations } = this.#parts
    if (token === undefined && !anonymous) throw new UnauthorizedError('A token is needed')
    const user = token === undefined ? null : await connection.origin.verify(tokenFromFrame(token))
    roles.assertFew(user)
    if (user?.id !== connection.user?.id) {
      if (identitySwitch === 'refuse' && connection.user !== null) throw new ForbiddenError('This socket may not switch to another user')
      slots.assertFree(user, connection)
    }
    const identifiedAt = revocations.now()
    const { channelId } = connection.origin
    // With a token at the upgrade, `decide` has asked this before.
    const since = connection.isAdmitted || channelId === null ? 0 : await permissions.subscribe(user, channelId, connection)
    const forbidden = await this.#forbiddenTo(user, connection)
    return { user, identifiedAt, since, forbidden }
  }

  /**
   * Confirms that a user's token is still valid, in the turn in which the socket becomes the user's: from then on a revocation ends the socket.
   *
   * @throws WSM_ERR_UNAUTHORIZED if the token was revoked or has expired since it was verified; WSM_ERR_UNAVAILABLE
   */
  confirmIdentity (user: User | null, identifiedAt: number): void {
    if (user !== null) this.#parts.revocations.assertTokenStillValid(user, identifiedAt)
  }

  /** Identifies the user, and asks the app for channels and permissions. */
  async #originOf (request: FastifyRequest, endpoint: EndpointRule | null): Promise<ConnectionOrigin> {
    const { identification, roles, permissions, endpoints, revocations } = this.#parts
    const { firstFrame, anonymous } = this.#options
    const { channel_id: channelId = null } = request.query as { channel_id?: unknown }
    const user = await identification.identifyUpgrade(request)
    roles.assertFew(user)
    const identifiedAt = revocations.now()
    const mayWait = firstFrame && endpoint === null
    if (user === null && !anonymous && !mayWait) throw new UnauthorizedError('A token is needed')
    const awaitsAuth = user === null && !anonymous
    if (channelId !== null) assertValid(checkChannel, channelId)
    const channelSince = channelId === null || awaitsAuth ? null : await permissions.subscribe(user, channelId as string, null)
    const endpointSince = endpoint === null ? 0 : await endpoints.connect(endpoint, request, user)
    const endpointChannels = endpoint === null ? [] : await endpoints.channels(endpoint, request, user)
    if (new Set(channelId === null ? endpointChannels : [...endpointChannels, channelId]).size > this.#maxChannels) {
      throw this.#parts.counters.limits.channels.refuse(this.#maxChannels)
    }
    // The hooks of the app may have taken a while.
    this.confirmIdentity(user, identifiedAt)
    const notBefore = channelSince === null && endpointChannels.length === 0 ? NO_BOUNDS : new Map(endpointChannels.map((channel) => [channel, endpointSince]))
    if (channelSince !== null) notBefore.set(channelId as string, Math.max(channelSince, notBefore.get(channelId as string) ?? 0))
    return {
      // A Unix domain socket, or one of injectWS, has no address.
      ip: request.ip ?? '',
      user,
      identifiedAt,
      awaitsAuth,
      channelId: channelId as string | null,
      recovery: { positions: positionsFrom(request.query), notBefore },
      endpointChannels,
      verify: identification.verifierFor(request)
    }
  }

  /** Returns the channels that a connection subscribed to and a user may not read. */
  async #forbiddenTo (user: User | null, connection: Connection): Promise<Set<string>> {
    const forbidden = new Set<string>()
    for (const [channel, grant] of connection.isAdmitted ? connection.grants : []) {
      if (grant === 'subscribed' && !await this.#mayRead(user, channel, connection)) forbidden.add(channel)
    }
    return forbidden
  }

  async #mayRead (user: User | null, channel: string, connection: Connection): Promise<boolean> {
    try {
      await this.#parts.permissions.subscribe(user, channel, connection)
      return true
    } catch (error) {
      if (isDenial(error)) return false
      throw error
    }
  }
}

/** @throws the error if it must be the HTTP answer */
function refusal (error: unknown, mode: SessionOptions['rejectMode']): Outcome {
  // Without a handshake there is no socket to send a close frame on.
  if (mode === 'http' || error instanceof UpgradeRequiredError || error instanceof InvalidHandshakeError) throw error
  return { close: closeFrameFor(error) }
}

/** @throws WSM_ERR_INVALID_MESSAGE */
function positionsFrom (query: unknown): Positions {
  const { recover } = query as { recover?: unknown }
  return recover === undefined ? NO_POSITIONS : decodePositions(recover)
}
