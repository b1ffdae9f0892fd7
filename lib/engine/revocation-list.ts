import type { Clock, Revocable, Revocation } from './engine.js'

/** Minimum interval between sweeps of expired entries. */
const SWEEP_MS = 60_000

interface UserRevocation { issuedBefore: number, expiresAt: number }

/** Revocations known to a node. Expired ones have no effect, and are removed when others are added. */
export class RevocationList {
  readonly #clock: Clock
  /** Expiry of each revoked token, by its `jti`. */
  readonly #tokens = new Map<string, number>()
  readonly #users = new Map<string, UserRevocation>()
  #sweptAt = performance.now()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  get size (): number {
    return this.#tokens.size + this.#users.size
  }

  /** Adds a revocation; the later times apply. Returns true if that changed the list. */
  add (revocation: Revocation): boolean {
    if (performance.now() - this.#sweptAt >= SWEEP_MS) this.sweep()
    const { expiresAt } = revocation
    if ('jti' in revocation) {
      const known = this.#tokens.get(revocation.jti) ?? 0
      if (known >= expiresAt) return false
      this.#tokens.set(revocation.jti, expiresAt)
      return true
    }
    const { userId, issuedBefore } = revocation
    const known = this.#users.get(userId) ?? { issuedBefore: -Infinity, expiresAt: 0 }
    if (known.issuedBefore >= issuedBefore && known.expiresAt >= expiresAt) return false
    this.#users.set(userId, { issuedBefore: Math.max(known.issuedBefore, issuedBefore), expiresAt: Math.max(known.expiresAt, expiresAt) })
    return true
  }

  /** Returns true if a revocation of the same token or user is known. */
  knows (revocation: Revocation): boolean {
    return 'jti' in revocation ? this.#tokens.has(revocation.jti) : this.#users.has(revocation.userId)
  }

  has ({ id, jti, issuedAt }: Revocable): boolean {
    const ofUser = this.#users.get(id)
    if (ofUser !== undefined && (issuedAt ?? -Infinity) < ofUser.issuedBefore && ofUser.expiresAt > this.#clock.now()) return true
    return jti !== null && (this.#tokens.get(jti) ?? 0) > this.#clock.now()
  }

  /** Removes expired revocations. */
  sweep (): void {
    this.#sweptAt = performance.now()
    const now = this.#clock.now()
    for (const [jti, expiresAt] of this.#tokens) if (expiresAt <= now) this.#tokens.delete(jti)
    for (const [userId, { expiresAt }] of this.#users) if (expiresAt <= now) this.#users.delete(userId)
  }

  * values (): IterableIterator<Revocation> {
    for (const [jti, expiresAt] of this.#tokens) yield { jti, expiresAt }
    for (const [userId, ofUser] of this.#users) yield { userId, ...ofUser }
  }
}
