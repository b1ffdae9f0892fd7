import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyBaseLogger } from 'fastify'
import { Jti, Moment, UserId } from '../../schemas/fields.js'
import type { RevocationReport } from '../../schemas/rest.js'
import { closeCodes } from '../../schemas/codes.js'
import type { Standing } from '../auth/standing.js'
import { clusterCall } from '../cluster/call.js'
import type { Connection } from '../socket/connection.js'
import type { Registry } from '../socket/registry.js'
import type { Clock, Cluster, Engine, Revocation, RevocationStore } from '../engine/engine.js'
import { InvalidMessageError, UnauthorizedError, UnavailableError } from '../errors.js'
import { inTime } from '../in-time.js'
import { assertValid } from '../validation/faults.js'
import type { Limits } from '../telemetry/limits.js'
import type { User } from '../user.js'

/** One token, or those of a user that were issued before a moment. */
export const Target = Type.Object({
  jti: Type.Optional(Jti),
  expiresAt: Type.Optional(Moment),
  userId: Type.Optional(UserId),
  issuedBefore: Type.Optional(Moment)
}, { additionalProperties: false })

/** What `ws.revoke()` takes; times are milliseconds since 1970. */
export type RevocationTarget =
  | {
    /** The token's claim `jti`. */
    jti: string
    /** When the token expires by itself, milliseconds since 1970; by default the revocation is kept for `auth.revocationTtlMs`. */
    expiresAt?: number | undefined
  }
  | {
    /** The user whose tokens are revoked. */
    userId: string
    /**
     * Which tokens: those issued before, milliseconds since 1970; by default until now, on the clock that all nodes share. A later moment
     * also revokes what is issued from now until then: for issuers whose clock is ahead.
     */
    issuedBefore?: number | undefined
  }

/** The message by which a node tells the others of a revocation. */
const RevocationNotice = Type.Union([
  Type.Object({ jti: Type.String(), expiresAt: Type.Number() }),
  Type.Object({ userId: Type.String(), issuedBefore: Type.Number(), expiresAt: Type.Number() })
])

/** Work for users other than their sockets: REST requests in progress. */
export interface Work {
  /** Signals the work of revoked users to stop. Resolves when all of it has settled. */
  ended: (isRevoked: (user: User) => boolean) => Promise<void>
  /** Runs a revocation that may be part of such work. Neither it nor any other revocation waits for that work. */
  unawaited: <T>(revoke: () => Promise<T>) => Promise<T>
}

const checkTarget = TypeCompiler.Compile(Target)

/** How long a node may take: longer than its clients may take to answer the close frame. */
const TIMEOUT_MS = 3_000
const revokeCall = clusterCall('revoke', { request: RevocationNotice, response: Type.Integer(), timeoutMs: TIMEOUT_MS })
/** Tolerated difference between the clocks of token issuers and nodes. */
const CLOCKS_MS = 60_000

/**
 * Tokens that are worth nothing before they expire. A revocation is stored, then every node is told of it; each ends the
 * sockets that it is about, and answers when they are gone, and when what their users' requests had begun is done. So when
 * `revoke` resolves, and no node is missing, nothing reaches such a socket any more, nothing is carried out for such a
 * request, and nobody gets in: whoever was let in before is among those that are ended, whoever comes after is refused, and
 * what is on its way is asked again in the turn in which it is granted.
 *
 * A node that is missing ends them when it is back. Until it has caught up it grants nothing.
 */
export class Revocations implements Standing {
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
   * @param ttlMs how long a revocation is kept where it is not known when its tokens have expired
   * @param toleranceMs how long after its expiry a token is still good; Infinity: for ever
   */
  constructor ({ revocations: store, cluster, clock }: Pick<Engine, 'revocations' | 'cluster' | 'clock'>, registry: Registry, work: Work, limit: Limits['revocations'],
    { ttlMs, toleranceMs }: { ttlMs: number, toleranceMs: number }, log: FastifyBaseLogger) {
    this.#store = store
    this.#cluster = cluster
    this.#clock = clock
    this.#registry = registry
    this.#work = work
    this.#limit = limit
    this.#ttlMs = ttlMs
    this.#toleranceMs = toleranceMs
    this.#log = log
    store.onLearned(() => Promise.all([this.#end(registry.all()), this.#workEnded()]))
    revokeCall.serve(cluster, async (notice) => {
      store.learn(notice)
      const [closed] = await Promise.all([this.#endBy(notice), this.#workEnded()])
      return closed
    })
  }

  /**
   * Resolves when no socket of the revoked is left, to how many there were, and nothing is done for them any more: a node
   * where that takes too long is missing, this one too.
   *
   * @throws WSM_ERR_INVALID_MESSAGE; WSM_ERR_UNAVAILABLE where it could not be stored, or there is no room for it: then it
   *   may hold or not
   */
  revoke (target: RevocationTarget): Promise<RevocationReport> {
    return this.#work.unawaited(() => this.#revoke(target))
  }

  async #revoke (target: RevocationTarget): Promise<RevocationReport> {
    const revocation = this.#revocationOf(target)
    if (!await this.#store.add(revocation)) throw this.#limit.refuse()
    const [here, isOver, { values, missing: others }] = await Promise.all([
      this.#endBy(revocation), inTime(this.#workEnded().then(() => true), TIMEOUT_MS, () => false), revokeCall.all(this.#cluster, revocation)
    ])
    const missing = isOver || others === null ? others : [...others, this.#cluster.nodeId]
    const closed = values.reduce((sum, count) => sum + count, here)
    const report = { closed, complete: missing !== null && missing.length === 0, missing }
    this.#log.info({ ...target, ...report }, 'tokens were revoked')
    return report
  }

  /** This moment, for `assertStillGood`. */
  now (): number {
    return this.#clock.now()
  }

  /**
   * Whether a user may go on into what takes time; to be asked again by `assertNotRevokedNow` when it is granted.
   *
   * @throws WSM_ERR_UNAUTHORIZED, WSM_ERR_UNAVAILABLE where it cannot be known in time
   */
  async assertNotRevoked (user: User): Promise<void> {
    if (this.#store.isRevoked(user) === null) await this.#store.current()
    this.assertNotRevokedNow(user)
    this.#warnOf(user)
  }

  /**
   * In the turn in which something is granted: who is granted it from here on is found by the next revocation.
   *
   * @throws as `assertNotRevoked`
   */
  assertNotRevokedNow (user: User): void {
    const isRevoked = this.#store.isRevoked(user)
    if (isRevoked === null) throw new UnavailableError('Revocations cannot be checked at the moment')
    if (isRevoked) throw new UnauthorizedError('The token has been revoked')
  }

  /**
   * The same, and that the token has not expired since: in the turn in which something is carried out that took time to ask for.
   *
   * @param since when it was good, milliseconds since 1970. A token that had expired by then was found good by another clock.
   * @throws as `assertNotRevoked`
   */
  assertStillGood (user: User, since: number): void {
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
    throw new InvalidMessageError('name one token by its jti, with its expiry or without, or a user, with the moment or without')
  }

  /** When a token is worth nothing any more: by its expiry where that is known and counts. */
  #endOf (expiresAt: number | undefined): number {
    const unknown = this.#clock.now() + this.#ttlMs
    if (expiresAt === undefined) return unknown
    return this.#toleranceMs === Infinity ? Math.max(expiresAt, unknown) : expiresAt + this.#toleranceMs
  }

  #endBy (revocation: Revocation): Promise<number> {
    return this.#end('jti' in revocation ? this.#registry.all() : this.#registry.of(revocation.userId))
  }

  #workEnded (): Promise<void> {
    return this.#work.ended((user) => this.#store.isRevoked(user) === true)
  }

  /** Ends the sockets whose user's token is revoked. Resolves when they are gone, to how many were open. */
  async #end (connections: Iterable<Connection>): Promise<number> {
    const revoked = [...connections].filter(({ user }) => user !== null && this.#store.isRevoked(user) === true)
    const open = revoked.filter(({ isOpen }) => isOpen)
    for (const connection of open) connection.log.info('the token of the client has been revoked')
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
