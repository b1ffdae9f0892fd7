import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyBaseLogger } from 'fastify'
import { Jti, Moment, UserId } from '../../schemas/fields.js'
import type { RevocationReport } from '../../schemas/rest.js'
import { closeCodes } from '../../schemas/codes.js'
import type { TokenCheck } from '../auth/token-check.js'
import { clusterCall } from '../cluster/call.js'
import type { Connection } from '../socket/connection.js'
import type { Registry } from '../socket/registry.js'
import type { Clock, Cluster, Engine, Revocation, RevocationStore } from '../engine/engine.js'
import { InvalidMessageError, UnauthorizedError, UnavailableError } from '../errors.js'
import { inTime } from '../in-time.js'
import { assertValid } from '../validation/faults.js'
import type { Limits } from '../telemetry/limits.js'
import type { User } from '../user.js'

/** Schema of {@link RevocationTarget}. */
export const Target = Type.Object({
  jti: Type.Optional(Jti),
  expiresAt: Type.Optional(Moment),
  userId: Type.Optional(UserId),
  issuedBefore: Type.Optional(Moment)
}, { additionalProperties: false })

/** The tokens to revoke: one, or all of a user issued before a moment. Times are milliseconds since 1970. */
export type RevocationTarget =
  | {
    /** The token's claim `jti`. */
    jti: string
    /** Expiry of the token, milliseconds since 1970; by default the revocation is kept for `auth.revocationTtlMs`. */
    expiresAt?: number | undefined
  }
  | {
    /** The user whose tokens are revoked. */
    userId: string
    /**
     * Revokes tokens issued before this moment, milliseconds since 1970; by default now, on the clock that all nodes share. A later
     * moment also revokes tokens that are issued until then, for issuers whose clock is ahead.
     */
    issuedBefore?: number | undefined
  }

/** The notice that a node sends to the others for a revocation. */
const RevocationNotice = Type.Union([
  Type.Object({ jti: Type.String(), expiresAt: Type.Number() }),
  Type.Object({ userId: Type.String(), issuedBefore: Type.Number(), expiresAt: Type.Number() })
])

/** Work in progress for users outside of their sockets: REST requests. */
export interface Work {
  /** Signals the work of revoked users to stop. Resolves when all of it has settled. */
  stopRevoked: (isRevoked: (user: User) => boolean) => Promise<void>
  /** Runs a revocation that a request in progress may have caused. No revocation waits for that request, to avoid a deadlock. */
  runUnawaited: <T>(revoke: () => Promise<T>) => Promise<T>
}

const checkTarget = TypeCompiler.Compile(Target)

/** Time allowed for a node to carry out a revocation: more than its clients have to answer the close frame. */
const TIMEOUT_MS = 3_000
const revokeCall = clusterCall('revoke', { request: RevocationNotice, response: Type.Integer(), timeoutMs: TIMEOUT_MS })
/** Tolerated difference between the clocks of token issuers and nodes. */
const CLOCKS_MS = 60_000

/** The parts that {@link Revocations} need. */
export interface RevocationsParts {
  engine: Pick<Engine, 'revocations' | 'cluster' | 'clock'>
  registry: Registry
  work: Work
  limit: Limits['revocations']
  log: FastifyBaseLogger
}

/**
 * Revokes tokens before they expire. A revocation is stored, then sent to every node; each node ends the affected sockets and
 * requests, and answers when they are gone. When `revoke` resolves and no node is missing, no message reaches such a socket any
 * more, no such request has an effect, and the token is not accepted anywhere: sockets admitted before were ended, later attempts
 * are refused, and attempts in progress are re-checked in the turn in which they are granted.
 *
 * A missing node ends its sockets when it is back. Until it has caught up, it grants nothing.
 */
export class Revocations implements TokenCheck {
  readonly #store: RevocationStore
  readonly #cluster: Cluster
  readonly #clock: Clock
  readonly #registry: Registry
  readonly #work: Work
  readonly #limit: Limits['revocations']
  readonly #ttlMs: number
  readonly #toleranceMs: number
  readonly #log: FastifyBaseLogger
  #hasWarned = false

  /**
   * @param ttlMs lifetime of a revocation whose tokens have no known expiry
   * @param toleranceMs time for which a token is accepted after its expiry; Infinity: always
   */
  constructor ({ engine, registry, work, limit, log }: RevocationsParts, { ttlMs, toleranceMs }: { ttlMs: number, toleranceMs: number }) {
    const { revocations: store, cluster, clock } = engine
    this.#store = store
    this.#cluster = cluster
    this.#clock = clock
    this.#registry = registry
    this.#work = work
    this.#limit = limit
    this.#ttlMs = ttlMs
    this.#toleranceMs = toleranceMs
    this.#log = log
    store.onLearned(() => Promise.all([this.#end(registry.all()), this.#stopWork()]))
    revokeCall.serve(cluster, async (notice) => {
      store.learn(notice)
      const [closed] = await Promise.all([this.#endBy(notice), this.#stopWork()])
      return closed
    })
  }

  /**
   * Revokes tokens. Resolves, with the number of closed sockets, when no affected socket or request is left; a node where that takes
   * too long is reported as missing, including this one.
   *
   * @throws WSM_ERR_INVALID_MESSAGE; WSM_ERR_UNAVAILABLE if the revocation could not be stored or `limits.maxRevocations` is reached:
   *   it may be in force or not
   */
  revoke (target: RevocationTarget): Promise<RevocationReport> {
    return this.#work.runUnawaited(() => this.#revoke(target))
  }

  async #revoke (target: RevocationTarget): Promise<RevocationReport> {
    const revocation = this.#revocationOf(target)
    if (!await this.#store.add(revocation)) throw this.#limit.refuse()
    const [here, isOver, { values, missing: others }] = await Promise.all([
      this.#endBy(revocation), inTime(this.#stopWork().then(() => true), TIMEOUT_MS, () => false), revokeCall.all(this.#cluster, revocation)
    ])
    const missing = isOver || others === null ? others : [...others, this.#cluster.nodeId]
    const closed = values.reduce((sum, count) => sum + count, here)
    const report = { closed, complete: missing !== null && missing.length === 0, missing }
    this.#log.info({ ...target, ...report }, 'revoked tokens')
    return report
  }

  /** Returns the current time of the shared clock, for `assertTokenStillValid`. */
  now (): number {
    return this.#clock.now()
  }

  /**
   * Checks a user's token before a lengthy operation; call `assertNotRevokedNow` again when its result is granted.
   *
   * @throws WSM_ERR_UNAUTHORIZED; WSM_ERR_UNAVAILABLE if the revocations cannot be read in time
   */
  async assertNotRevoked (user: User): Promise<void> {
    if (this.#store.isRevoked(user) === null) await this.#store.current()
    this.assertNotRevokedNow(user)
    this.#warnOf(user)
  }

  /**
   * Checks a user's token in the turn in which something is granted: from that turn on, a revocation ends what was granted.
   *
   * @throws as `assertNotRevoked`
   */
  assertNotRevokedNow (user: User): void {
    const isRevoked = this.#store.isRevoked(user)
    if (isRevoked === null) throw new UnavailableError('Revocations are temporarily unavailable')
    if (isRevoked) throw new UnauthorizedError('The token has been revoked')
  }

  /**
   * Checks also that the token has not expired while the request waited.
   *
   * @param since time at which the token was last accepted, milliseconds since 1970. If it had expired by then, the verifier's own clock or
   *   tolerance accepted it, so its expiry is ignored.
   * @throws as `assertNotRevoked`
   */
  assertTokenStillValid (user: User, since: number): void {
    this.assertNotRevokedNow(user)
    if (user.expiresAt !== null && user.expiresAt > since && user.expiresAt <= this.#clock.now()) throw new UnauthorizedError('The token has expired')
  }

  #revocationOf (target: RevocationTarget): Revocation {
    assertValid(checkTarget, target)
    const { jti, expiresAt, userId, issuedBefore } = target as Static<typeof Target>
    const keptUntil = (moment: number) => moment + CLOCKS_MS
    if (jti !== undefined && userId === undefined && issuedBefore === undefined) {
      return { jti, expiresAt: keptUntil(this.#endOf(expiresAt)) }
    }
    if (userId !== undefined && jti === undefined && expiresAt === undefined) {
      const moment = issuedBefore ?? this.#clock.now()
      return { userId, issuedBefore: moment, expiresAt: keptUntil(Math.max(moment, this.#clock.now()) + this.#ttlMs) }
    }
    throw new InvalidMessageError('name one token (its jti, optionally its expiry) or one user (the user id, optionally a moment)')
  }

  /** Returns the time from which a token is refused anyway: its expiry plus the tolerance, or, if unknown, the lifetime of a revocation. */
  #endOf (expiresAt: number | undefined): number {
    const unknown = this.#clock.now() + this.#ttlMs
    if (expiresAt === undefined) return unknown
    return this.#toleranceMs === Infinity ? Math.max(expiresAt, unknown) : expiresAt + this.#toleranceMs
  }

  #endBy (revocation: Revocation): Promise<number> {
    return this.#end('jti' in revocation ? this.#registry.all() : this.#registry.of(revocation.userId))
  }

  #stopWork (): Promise<void> {
    return this.#work.stopRevoked((user) => this.#store.isRevoked(user) === true)
  }

  /** Ends the sockets whose token is revoked. Resolves when they are gone, to the number that were open. */
  async #end (connections: Iterable<Connection>): Promise<number> {
    const revoked = [...connections].filter(({ user }) => user !== null && this.#store.isRevoked(user) === true)
    const open = revoked.filter(({ isOpen }) => isOpen)
    for (const connection of open) connection.log.info('closing the socket: its token has been revoked')
    await Promise.all(revoked.map((connection) => connection.expel(closeCodes.unauthorized, 'The token has been revoked')))
    return open.length
  }

  /** Warns once: a token that outlives its revocation becomes valid again. */
  #warnOf ({ jti, issuedAt, expiresAt }: User): void {
    if (this.#hasWarned || (jti === null && issuedAt === null) || (expiresAt ?? Infinity) - this.#clock.now() <= this.#ttlMs) return
    this.#hasWarned = true
    this.#log.warn('a token lives longer than auth.revocationTtlMs: if it is revoked, it becomes valid again after that time')
  }
}
