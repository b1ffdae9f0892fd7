import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventEmitter } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { User } from '../user.js'
import type { Work } from '../sessions/revocations.js'
import type { Clock } from '../engine/engine.js'
import { UnavailableError } from '../errors.js'
import type { Limits } from '../telemetry/limits.js'
import { PendingRequest } from './pending-request.js'

/** A connection that ignores refusals is destroyed at this multiple of the limit. */
const PATIENCE = 2

/** An HTTP/1.1 socket or HTTP/2 session. */
type Connection = EventEmitter & { destroy: () => unknown, destroyed?: boolean }

/**
 * Limits the REST requests in flight, per connection and per user, or for anonymous callers per address. A user's request counts
 * until its response and its work have both ended, so hanging up frees no slot while a handler still runs.
 */
export class PendingRequests implements Work {
  readonly #max: number
  readonly #clock: Clock
  readonly #limit: Limits['pending_requests']
  readonly #byConnection = new WeakMap<Connection, Set<PendingRequest>>()
  readonly #byHolder = new Map<string, Set<PendingRequest>>()
  /** The request on whose behalf the app's code is running. */
  readonly #current = new AsyncLocalStorage<PendingRequest>()
  /** Requests that `run` awaits. */
  readonly #working = new Set<PendingRequest>()
  #revoking = 0

  /** @param max limit per user, per address of anonymous callers, and per connection */
  constructor (max: number, clock: Clock, limit: Limits['pending_requests']) {
    this.#max = max
    this.#clock = clock
    this.#limit = limit
  }

  /**
   * Registers a request whose headers have arrived and whose user is not known yet.
   *
   * @throws WSM_ERR_TOO_MANY_PENDING if too many are pending on its connection. That response ends an HTTP/1.1 connection, since
   *   pipelined requests would pile up behind it.
   */
  begin (request: FastifyRequest, reply: FastifyReply): PendingRequest {
    const pending = new PendingRequest(request.log)
    const connection = connectionOf(request)
    const others = this.#on(connection)
    others.add(pending)
    reply.raw.once('close', () => {
      others.delete(pending)
      // Not `writableFinished`, which HTTP/2 lacks.
      this.#answered(pending, reply.raw.writableEnded)
    })
    // Already closed while hooks of the host ran: no further close event will fire.
    if (request.raw.destroyed || connection.destroyed === true) {
      others.delete(pending)
      this.#answered(pending, false)
    }
    if (others.size <= this.#max) return pending
    if (others.size > this.#max * PATIENCE) connection.destroy()
    if (request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
    throw this.#limit.refuse(this.#max, 'on this connection')
  }

  /**
   * @param network address of an anonymous caller
   * @throws WSM_ERR_TOO_MANY_PENDING if the caller has too many already
   */
  identified (pending: PendingRequest, user: User | null, network: string | null): void {
    const holder = user !== null ? `user:${user.id}` : network !== null ? `network:${network}` : null
    this.#place(pending, holder)
    pending.identified(user, holder, this.#clock.now())
    // The connection may have closed meanwhile.
    this.#release(pending)
  }

  /** Runs a request's work. From now on a revocation of its token waits until the work has settled. */
  async run<T> (pending: PendingRequest, work: () => T): Promise<Awaited<T>> {
    // The caller may have hung up while hooks of the host ran, which released the slot.
    if (!pending.isOpen) this.#place(pending, pending.holder)
    pending.isWorking = true
    this.#working.add(pending)
    try {
      return await Promise.race([work(), pending.givenUp()])
    } finally {
      this.#working.delete(pending)
      pending.isWorking = false
      pending.settled()
      this.#release(pending)
    }
  }

  /**
   * Runs code that may revoke the token of its own request, so that the revocation does not wait for that request. An active
   * AsyncLocalStorage slows down every promise of the process on Node 20 and 22, so it is used for such code only and disabled
   * afterwards.
   */
  async runRevoking<T> (pending: PendingRequest, work: () => T): Promise<Awaited<T>> {
    this.#revoking++
    try {
      return await this.#current.run(pending, work)
    } finally {
      if (--this.#revoking === 0) this.#current.disable()
    }
  }

  async stopRevoked (isRevoked: (user: User) => boolean): Promise<void> {
    const waits: Promise<void>[] = []
    for (const requests of this.#byHolder.values()) {
      for (const pending of requests) {
        if (pending.user === null || !isRevoked(pending.user)) continue
        pending.stop()
        waits.push(pending.idle())
      }
    }
    await Promise.all(waits)
  }

  async runUnawaited<T> (work: () => Promise<T>): Promise<T> {
    const pending = this.#current.getStore()
    if (pending === undefined) return work()
    pending.revoking++
    pending.settled()
    try {
      return await work()
    } finally {
      pending.revoking--
    }
  }

  /** Answers unfinished requests with WSM_ERR_UNAVAILABLE, since the node must close. */
  giveUp (): void {
    for (const pending of this.#working) pending.giveUp(new UnavailableError('The server is closing'))
  }

  /** One listener per connection: when it ends, Node notifies only the response being sent, not those queued behind it. */
  #on (connection: Connection): Set<PendingRequest> {
    const known = this.#byConnection.get(connection)
    if (known !== undefined) return known
    const requests = new Set<PendingRequest>()
    this.#byConnection.set(connection, requests)
    connection.once('close', () => {
      for (const pending of requests) this.#answered(pending, false)
      requests.clear()
    })
    return requests
  }

  /** @throws WSM_ERR_TOO_MANY_PENDING */
  #place (pending: PendingRequest, holder: string | null): void {
    if (holder === null) return
    const others = this.#byHolder.get(holder) ?? new Set()
    if (others.size >= this.#max) throw this.#limit.refuse(this.#max, 'of this caller')
    this.#byHolder.set(holder, others.add(pending))
  }

  #answered (pending: PendingRequest, isWhole: boolean): void {
    pending.isOpen = false
    if (!isWhole) pending.stop()
    this.#release(pending)
  }

  #release (pending: PendingRequest): void {
    if (pending.isOpen || pending.isWorking || pending.holder === null) return
    const requests = this.#byHolder.get(pending.holder)
    requests?.delete(pending)
    if (requests?.size === 0) this.#byHolder.delete(pending.holder)
  }
}

/** Over HTTP/2 `raw.socket` is a proxy per stream. */
function connectionOf ({ raw }: FastifyRequest): Connection {
  const { stream } = raw as unknown as { stream?: { session?: Connection } }
  return stream?.session ?? raw.socket
}
