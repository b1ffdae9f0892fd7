import { clientFrames, type ClientFrame, type ClientFrameType } from '../../schemas/frames/client.js'
import { closeCodes } from '../../schemas/codes.js'
import type { Connection } from '../socket/connection.js'
import type { Rate } from '../socket/rate.js'
import { UnauthorizedError, UnknownTypeError } from '../errors.js'
import { isEarlier, isOverTypeLimit, toWire } from '../wire-error.js'
import type { EventHub } from '../events.js'
import type { Counters } from '../telemetry/counters.js'
import { isThenable } from '../thenable.js'
import { logThrown } from '../thrown.js'
import type { CompiledSchema } from '../validation/compiled-schema.js'
import { countedCodes } from '../../schemas/codes.js'
import type { SocketLimits } from '../socket/options.js'
import type { ProtocolLimits } from './options.js'
import { asHandler, compile } from './compile.js'
import { assertFrame, decode, frameId, peekId, type ClientMessage } from './decode.js'
import { encodeFrame } from '../socket/message.js'
import { Exchange, type ReplyTraits } from './exchange.js'
import type { Begun, RepeatableCalls } from './repeatable-calls.js'
import { checkedMessage } from '../validation/faults.js'

/** Handling of the frames of one type. */
export interface Route extends ReplyTraits {
  type: string
  check: CompiledSchema
  /** True if later frames of the socket wait until this one is done: it changes the socket's user, or what the socket may read. */
  isBarrier?: boolean
  /** True if the frame is done at once and may overtake others: it is read where there is no room to wait. */
  isUnordered?: boolean
  /** True if the frame may come before the socket has authenticated. */
  isOpenToAll?: boolean
  /** Rate of one user's frames; null: they count like any other. */
  rate?: Rate | null
  /** True if the frame may have an idempotency key: with the same key it runs once. */
  isRepeatable?: boolean
  /** Handles a frame that passed the check. Returns the data of its reply, or a promise of it; ignored where it replied early. */
  run: (exchange: Exchange) => unknown
}

/** Makes the route of a built-in frame, with its schema from `schemas/frames/client.ts`. */
export function builtIn<T extends ClientFrameType> (
  type: T, run: (exchange: Exchange<ClientFrame<T>>) => unknown, traits: Pick<Route, 'isBarrier' | 'isOpenToAll' | 'isRepeatable' | 'isUnordered'> & ReplyTraits<ClientFrame<T>> = {}
): Route {
  return { type, check: compile(asHandler(type), clientFrames[type]).check as CompiledSchema, run, ...traits } as unknown as Route
}

export type RouterLimits = Pick<ProtocolLimits, 'maxDepth' | 'maxPendingHandlers'> & Pick<SocketLimits, 'maxPayloadBytes'>

/** Length of the part that is searched for the id of a frame that is refused unread. Searching all of a large frame would take ten times as long as refusing it. */
const PEEKED_BYTES = 4_096

/**
 * The way of a frame: one parse, one look-up, one compiled check, the handler, and then its one reply or error. Frames of a socket are
 * handled as they come and do not wait for each other, except behind a barrier: those are read when it is done.
 */
export class Router {
  readonly #routes = new Map<string, Route>()
  readonly #events: EventHub
  readonly #limits: RouterLimits
  readonly #counters: Counters
  readonly #repeatable: RepeatableCalls

  constructor (events: EventHub, limits: RouterLimits, counters: Counters, repeatable: RepeatableCalls) {
    this.#events = events
    this.#limits = limits
    this.#counters = counters
    this.#repeatable = repeatable
  }

  add (route: Route): void {
    this.#routes.set(route.type, route)
  }

  /** Receives a frame. Never throws. */
  receive (connection: Connection, data: Buffer, isBinary: boolean): void {
    if (!connection.isOpen) return
    if (isBinary) return connection.close(closeCodes.unsupportedData, 'Binary frames are not understood')
    // A host that registered @fastify/websocket itself may have set a larger limit there.
    if (data.length > this.#limits.maxPayloadBytes) return this.#counters.limits.payload.close(connection)
    const refusal = connection.budget.pace(data.length, connection.heardAt)
    if (refusal !== null) return this.#fail(connection, refusal, undefined, peekId(data.toString('utf8', 0, PEEKED_BYTES)))
    const { inbox } = connection
    if (inbox.isHeld && inbox.pending + inbox.waiting < this.#limits.maxPendingHandlers && inbox.wait(data)) return
    this.#read(connection, data)
  }

  /** Handles the frames that waited for a barrier which is done, up to the next barrier. */
  release (connection: Connection): void {
    const { inbox } = connection
    while (!inbox.isHeld) {
      const data = inbox.take()
      if (data === undefined) return
      this.#read(connection, data)
    }
  }

  #read (connection: Connection, data: Buffer): void {
    let message
    try {
      const json = data.toString()
      message = decode(json, this.#limits.maxDepth, this.#counters.limits.depth)
      assertFrame(message, json)
      const route = this.#routes.get(message.type)
      if (route === undefined) throw new UnknownTypeError(message.type.slice(0, 128))
      if (route.rate != null) connection.budget.paceType(route.type, route.rate)
      this.#dispatch(connection, route, message)
    } catch (error) {
      this.#fail(connection, error, message)
    }
  }

  #dispatch (connection: Connection, route: Route, message: ClientMessage): void {
    const { inbox } = connection
    const { maxPendingHandlers } = this.#limits
    // Held: the frame could not wait with the others.
    if (route.isUnordered !== true && (inbox.isHeld || inbox.pending >= maxPendingHandlers)) throw this.#counters.limits.pending_handlers.refuse(maxPendingHandlers)
    const handled = this.#handle(connection, route, message)
    if (route.isBarrier === true && handled !== undefined) inbox.hold(handled)
  }

  /**
   * Handles a frame, and replies with the handler's result. Returns a promise, which never rejects, where the handler is asynchronous.
   * Never throws. Hot: the reply of a synchronous handler is sent at once.
   */
  #handle (connection: Connection, route: Route, message: ClientMessage): Promise<void> | undefined {
    let exchange
    try {
      // Before the schema check, so that strangers cannot cause its cost.
      if (!connection.isAdmitted && route.isOpenToAll !== true) {
        throw new UnauthorizedError('Authenticate with an auth frame first')
      }
      const key = route.isRepeatable === true ? takeKey(message) : undefined
      exchange = new Exchange(checkedMessage(route.check, message), connection, route, this)
      if (this.#events.has('message_received')) this.#events.emit('message_received', { client: connection, message: withoutToken(exchange.message) })
      const { user } = exchange.identity
      const result = key === undefined || user === null ? route.run(exchange) : this.#once(exchange, route, user.id, key, message)
      if (isThenable(result)) return this.#settle(exchange, result, route)
      exchange.reply(result)
    } catch (error) {
      exchange?.failed(error)
      if (exchange === undefined) this.#fail(connection, error, message)
      else this.fail(exchange, error)
    }
  }

  /** Runs a frame with an idempotency key, or answers it as the earlier one was. */
  #once (exchange: Exchange, route: Route, userId: string, key: unknown, message: ClientMessage): unknown {
    const begun = this.#repeatable.begin(userId, key, route.type, message, exchange.identity)
    if (!isThenable(begun)) return this.#resume(exchange, route, begun)
    const started = begun.then((begun) => ({ result: this.#resume(exchange, route, begun) }))
    // Frames start in the order of their arrival: the next one waits for the store, but not for the result.
    exchange.connection.inbox.hold(started.then(ignore, ignore))
    return started.then(({ result }) => result)
  }

  #resume (exchange: Exchange, route: Route, begun: Begun | null): unknown {
    const { identity, connection } = exchange
    if (begun === null) return exchange.drop()
    if ('wait' in begun) return begun.wait().then((settled) => this.#resume(exchange, route, settled))
    if ('outcome' in begun) return exchange.repeat(begun.outcome)
    if (identity.isOver || !connection.isOpen) {
      exchange.drop()
      return begun.record(null)
    }
    exchange.onOutcome(begun.record)
    return route.run(exchange)
  }

  async #settle (exchange: Exchange, result: PromiseLike<unknown>, { isBarrier }: Route): Promise<void> {
    const { connection: { inbox }, identity } = exchange
    inbox.pending++
    // A frame that changes the identity outlives it.
    if (isBarrier !== true) identity.begin(exchange)
    try {
      exchange.reply(await result)
    } catch (error) {
      exchange.failed(error)
      this.fail(exchange, error)
    } finally {
      inbox.pending--
      identity.finish(exchange)
    }
  }

  /** Answers a frame with an error for whatever was thrown, unless it is answered already. Never throws. */
  fail ({ connection, identity, message, isAnswered }: Exchange, error: unknown): void {
    if (!isAnswered) return this.#fail(connection, error, message)
    // Already answered, so only log it. A handler that stopped by its signal behaved as intended.
    const level = toWire(error).code === 'identity_changed' ? 'debug' : 'error'
    logThrown(identity.log, level, error, handlerOf(message), 'a handler failed after it had answered')
    this.#events.emit('message_failed', { client: connection, user: identity.user, error, message: withoutToken(message) })
  }

  #fail (connection: Connection, error: unknown, message?: Record<string, unknown>, id = message && frameId(message)): void {
    const { code, statusCode, message: text, details, isAppError } = toWire(error)
    const isServerFault = statusCode >= 500
    if (isServerFault && !isEarlier(error)) logThrown(connection.log, 'error', error, handlerOf(message), 'a handler failed')
    else connection.log.debug({ code, type: message?.type }, 'a frame was refused')
    connection.send(encodeFrame({ type: 'error', code, id, message: text, details, ...isAppError && { app: true } }))
    if (this.#events.has('message_failed')) {
      this.#events.emit('message_failed', { client: connection, user: connection.user, error, message: message && withoutToken(message) })
    }
    if (code === 'rate_limited' && !isOverTypeLimit(error)) return connection.refused()
    if (countedCodes.has(code) && connection.errorCap.hit()) this.#counters.limits.errors.close(connection)
  }
}

function ignore (): void {}

/** Takes the idempotency key out of a message, whose schema does not name it. */
function takeKey (message: ClientMessage): unknown {
  const { idempotency_key: key } = message as { idempotency_key?: unknown }
  if (key !== undefined) delete (message as { idempotency_key?: unknown }).idempotency_key
  return key
}

/** Names the handler of a frame in the log; a `walker` frame names it in a field of its own. */
function handlerOf ({ type, walker }: Record<string, unknown> = {}): { type: unknown, walker?: unknown } {
  return type === 'walker' ? { type, walker } : { type }
}

/** Removes everything but type and id from a frame that brings a token: any other field, valid or not, may hold it. */
function withoutToken (message: Record<string, unknown>): Record<string, unknown> {
  const { type, id } = message
  return type === 'auth' || type === 'change_user' ? { type, id } : message
}
