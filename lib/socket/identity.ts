import type { FastifyBaseLogger } from 'fastify'
import { guardedAbort } from '../abort.js'
import type { User } from '../user.js'
import { IdentityChangedError } from '../errors.js'
import { logThrown } from '../thrown.js'

/** The socket of an identity. */
export interface IdentityHolder { readonly id: string, readonly isOpen: boolean }

/** A frame that is being handled. */
export interface Unanswered {
  /** Answers the frame now, since its identity has ended. */
  abandon: (reason: Error) => void
}

/**
 * The owner of a socket, from the turn in which the socket becomes theirs until it switches to another user; a fresh token of the
 * same user does not change it. Work that begins under an identity is bound to it, and has no effect once it is over.
 */
export class Identity {
  /** null: anonymous. Replaced when the same user sends a fresh token. */
  user: User | null
  /** True if the socket has switched to another user. */
  isOver = false
  readonly #holder: IdentityHolder
  readonly #parentLog: FastifyBaseLogger
  #log: FastifyBaseLogger | null = null
  #abort: AbortController | null = null
  #unanswered: Set<Unanswered> | null = null

  constructor (user: User | null, holder: IdentityHolder, log: FastifyBaseLogger) {
    this.user = user
    this.#holder = holder
    this.#parentLog = log
  }

  /** Names the socket and the user in every line (row A16). Made when first used: most connections never log. */
  get log (): FastifyBaseLogger {
    this.#log ??= this.#parentLog.child({ client_id: this.#holder.id, user_id: this.user?.id ?? null })
    return this.#log
  }

  /** Fires when the socket has switched users or ended. Created on first use. */
  get signal (): AbortSignal {
    if (this.#abort === null) {
      this.#abort = guardedAbort((thrown) => logThrown(this.log, 'error', thrown, {}, 'an abort listener failed'))
      if (this.isOver) this.#abort.abort(new IdentityChangedError())
      else if (!this.#holder.isOpen) this.#abort.abort()
    }
    return this.#abort.signal
  }

  /** Registers a frame that is handled until `finish`. */
  begin (frame: Unanswered): void {
    (this.#unanswered ??= new Set()).add(frame)
  }

  finish (frame: Unanswered): void {
    this.#unanswered?.delete(frame)
  }

  /** Ends the identity before a switch of users: frames in progress are answered now. */
  end (): void {
    this.isOver = true
    const reason = new IdentityChangedError()
    for (const frame of this.#unanswered ?? []) frame.abandon(reason)
    this.#unanswered = null
    this.#abort?.abort(reason)
  }

  /** Ends the identity with its socket. */
  abort (): void {
    this.#abort?.abort()
  }
}
