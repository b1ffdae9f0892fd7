import type { FastifyError, FastifyInstance } from 'fastify'
import type { ClientDeliveryReport, DeliveryReport, SendOptions } from '../schemas/messages.js'
import type { StreamPosition } from '../schemas/fields.js'
import type { ClusterStatus, NodeHealth, PresenceList, NodeReadiness, NodeStatus, StreamHistory } from '../schemas/records.js'
import type { RevocationReport } from '../schemas/rest.js'
import type { AnySchema, StaticOf } from './any-schema.js'
import type { CallType, ChannelMessage, IfContract, QuestionAnswer, QuestionKind, ServerMessage } from './contract/registered.js'
import type { EndpointRule } from './sessions/endpoints.js'
import type { RevocationTarget } from './sessions/revocations.js'
import { Nodes } from './cluster/nodes.js'
import type { AsyncApiDocument } from './asyncapi/document.js'
import type { Confirmations } from './confirmations/confirmations.js'
import type { AskedQuestion, AskOptions, ContractQuestion, Question, StepResult, UserConfirmation } from './confirmations/question.js'
import { isOff } from './engine/clock.js'
import { InvalidArgumentError, InvalidHandlerError } from './errors.js'
import type { WsEventName, WsListener } from './events.js'
import { isTopic } from './ids.js'
import type { CallHandler, CallHandlerOptions, Handler, HandlerEntry, HandlerOptions } from './protocol/handlers.js'
import type { Node } from './node.js'
import type { Tasks } from './tasks/tasks.js'
import type { TaskHeartbeatOptions } from './tasks/task-heartbeats.js'
import type { ClientSendOptions } from './streams/publisher.js'
import { topicOf } from './topic-names.js'
import { version } from './version.js'
import { methods } from './signatures.js'
import { call, callable, type Owner } from './validation/call.js'

/** Parts of the surrounding server that the manager needs. */
export interface Host {
  /** Address that the server listens on; null while it does not listen. */
  address: () => { host: string, port: number } | null
  isClosing: () => boolean
  /** Returns true once the server, and with it the engine, has closed. */
  hasClosed: () => boolean
  addEndpoint: (url: string, rule: EndpointRule, scope: FastifyInstance | null) => void
  addCallRoute: (entry: HandlerEntry) => void
  asyncapi: () => AsyncApiDocument
}

/** The parts of a node that the app uses through the manager. */
export type ManagerParts = Pick<Node,
  | 'cluster' | 'clock' | 'confirmations' | 'contextOf' | 'counters' | 'events' | 'handlers' | 'history' | 'log' | 'outbound' | 'placements'
  | 'presence' | 'publisher' | 'readiness' | 'registry' | 'revocations' | 'router' | 'taskHeartbeats' | 'tasks' | 'topics'>

/** Asks a question of a kind of the contract. */
interface AskOfContract {
  /**
   * Asks a user a question of a kind of the contract, which describes `data` and the answer. Resolves when the question is stored; `settled()`
   * of the result waits for its end.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT, WSM_ERR_TOO_MANY_CONFIRMATIONS, WSM_ERR_UNAVAILABLE
   */
  <K extends QuestionKind> (question: ContractQuestion<K>): Promise<AskedQuestion<QuestionAnswer<K>>>
}

/** Asks a question of any kind. */
interface AskAnything {
  /**
   * Asks a user a question. Resolves when the question is stored; `settled()` of the result waits for its end.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT, WSM_ERR_TOO_MANY_CONFIRMATIONS, WSM_ERR_UNAVAILABLE
   */
  <S extends AnySchema = AnySchema> (question: Question<S>): Promise<AskedQuestion<StaticOf<S>>>
}

/** Asks a user: with a contract a question of one of its kinds, without one of any. */
export type Ask = IfContract<AskOfContract, AskAnything>

/** Handles a call of the contract. */
interface HandleCall {
  /**
   * Handles a call of the contract, which has its schemas.
   *
   * @throws WSM_ERR_INVALID_HANDLER for a type that is taken or not in the contract, and for a call by REST once the app is ready
   */
  <T extends CallType> (type: T, handler: CallHandler<T>): void
  /**
   * Handles a call of the contract with limits, or where not everybody may call it.
   *
   * @throws WSM_ERR_INVALID_HANDLER for a type that is taken or not in the contract, and for a call by REST once the app is ready
   */
  <T extends CallType> (type: T, options: CallHandlerOptions<T>, handler: CallHandler<T>): void
}

/** Handles frames of any type. */
interface HandleAnything {
  /**
   * Handles frames of a type, with `channel` those that members send in a channel.
   *
   * @throws WSM_ERR_INVALID_HANDLER for a type that is taken or not namespaced, a schema that cannot be compiled, a bad channel pattern,
   *   and for a call by REST once the app is ready
   */
  <const S extends AnySchema, const R extends AnySchema | undefined = undefined, C extends string | undefined = undefined> (
    type: string, options: HandlerOptions<S, R, C>, handler: Handler<S, R, C>): void
}

/** Registers a handler: with a contract of one of its calls, without one of any type. */
export type Handle = IfContract<HandleCall, HandleAnything>

type AnyHandler = Handler<AnySchema, AnySchema | undefined, string | undefined>

/** Place of an endpoint in the app. */
export interface EndpointOptions {
  /** Scope of the app whose prefix and hooks apply to the endpoint; by default the plugin's own. */
  scope?: Pick<FastifyInstance, 'ws'> | undefined
}

/** Condition on the user of a socket. */
export interface ClientGuard {
  /** Required user id; null: the socket must be anonymous. By default any user matches. */
  userId?: string | null | undefined
}

/**
 * `fastify.ws`. Messages are JSON objects with a `type`. Every send resolves when the message is handed over, to the number of
 * this node's sockets that it was handed to (`localRecipients`) and its position in the stream (`position`; null without
 * history). It throws WSM_ERR_INVALID_ARGUMENT for a message without a type, with a reserved field, or that does not match the
 * declared schema of its type.
 *
 * An unawaited failure is logged and does not end the process, so a send need not be awaited.
 *
 * Every method checks its arguments and throws WSM_ERR_INVALID_ARGUMENT with the method and argument, even where an inner part
 * throws WSM_ERR_INVALID_MESSAGE: an app's mistake must not be blamed on its caller. The exception is an answer passed to
 * `confirmations.answer`, which belongs to a person. After the server has closed, every method that returns a promise rejects
 * with WSM_ERR_UNAVAILABLE.
 */
export class WsManager {
  /** Open and recently ended questions. */
  readonly confirmations: { ask: Ask } & Pick<Confirmations, 'get' | 'list' | 'wait' | 'answer' | 'cancel'>
  /** Tasks that users follow. */
  readonly tasks: Pick<Tasks, 'start' | 'progress' | 'log' | 'done' | 'fail' | 'cancel' | 'get' | 'list'>
  /** @internal */
  readonly nodes: Nodes
  /**
   * Registers a handler for frames of a type (row F3), with `channel` for those that members send in a channel (row H5). With a
   * contract it is a call of the contract, which has the schemas.
   *
   * @throws WSM_ERR_INVALID_HANDLER for a type that is taken, not namespaced, or not in the contract, a schema that cannot be compiled
   *   or that the contract has, a bad channel pattern, and for a call by REST once the app is ready; nothing is registered then
   */
  readonly handle: Handle
  readonly #node: ManagerParts
  readonly #host: Host
  readonly #owner: Owner
  readonly #startedAt = performance.now()

  /** @internal */
  constructor (node: ManagerParts, host: Host) {
    this.#node = node
    this.#host = host
    this.#owner = { log: node.log, hasClosed: host.hasClosed }
    this.confirmations = callable(this.#owner, {
      ask: methods['ws.confirmations.ask'],
      get: methods['ws.confirmations.get'],
      list: methods['ws.confirmations.list'],
      wait: methods['ws.confirmations.wait'],
      answer: methods['ws.confirmations.answer'],
      cancel: methods['ws.confirmations.cancel']
    }, node.confirmations) as WsManager['confirmations']
    this.tasks = callable(this.#owner, {
      start: methods['ws.tasks.start'],
      progress: methods['ws.tasks.progress'],
      log: methods['ws.tasks.log'],
      done: methods['ws.tasks.done'],
      fail: methods['ws.tasks.fail'],
      cancel: methods['ws.tasks.cancel'],
      get: methods['ws.tasks.get'],
      list: methods['ws.tasks.list']
    }, node.tasks)
    this.handle = ((type: string, given: HandlerOptions<AnySchema> | AnyHandler, last?: AnyHandler) => this.#handle(type, given, last)) as Handle
    this.nodes = new Nodes(node.cluster, node.registry, () => this.#status())
  }

  /**
   * Sends to every authenticated socket (row A3).
   *
   * @param options acknowledgement, history, compression and excluded sockets
   * @throws WSM_ERR_INVALID_ARGUMENT, and WSM_ERR_UNAVAILABLE if Redis is unreachable
   */
  broadcast (message: ServerMessage, options?: SendOptions): Promise<DeliveryReport> {
    return call(this.#owner, methods['ws.broadcast'], [message, options], () => this.#node.publisher.publish(topicOf.all, message, options))
  }

  /** Sends to all sockets of one user only (row A4). Options and errors as for `broadcast`. */
  sendToUser (userId: string, message: ServerMessage, options?: SendOptions): Promise<DeliveryReport> {
    return call(this.#owner, methods['ws.sendToUser'], [userId, message, options], () => this.#node.publisher.publish(topicOf.user(userId), message, options))
  }

  /**
   * Sends to every socket of every user who has a role, as the claim `roles` of the socket's token says. Options and errors as for
   * `broadcast`.
   */
  sendToRole (role: string, message: ServerMessage, options?: SendOptions): Promise<DeliveryReport> {
    return call(this.#owner, methods['ws.sendToRole'], [role, message, options], () => this.#node.publisher.publish(topicOf.role(role), message, options))
  }

  /** Sends to every member of a channel (row H1), with a contract only messages that belong there. Options and errors as for `broadcast`. */
  sendToChannel<const N extends string> (channel: N, message: ChannelMessage<N>, options?: SendOptions): Promise<DeliveryReport> {
    return call(this.#owner, methods['ws.sendToChannel'], [channel, message, options], () => this.#node.publisher.publish(topicOf.channel(channel), message, options))
  }

  /**
   * Sends to one socket on any node (row F5), outside of all streams. `recipients: 0`: the socket is gone, or does not belong to
   * `userId`; a socket can switch users while a message is being prepared. `complete: false`: a node did not say whether it has
   * the socket, so the message may have arrived.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT
   */
  sendToClient (clientId: string, message: ServerMessage, options?: ClientSendOptions): Promise<ClientDeliveryReport> {
    return call(this.#owner, methods['ws.sendToClient'], [clientId, message, options], () => this.#node.publisher.sendToClient(clientId, message, options))
  }

  /**
   * Declares the schema of the app's outbound messages of a type; messages that do not match are refused from now on (row H3).
   *
   * @throws WSM_ERR_INVALID_HANDLER if the type is already declared, or the schema cannot be compiled, and with a contract, which has all messages
   */
  declare<const S extends AnySchema> (type: string, schema: S): void {
    call(this.#owner, methods['ws.declare'], [type, schema], () => this.#node.outbound.declare(type, schema))
  }

  /**
   * Adds a socket route with its own channels and authorization (row H4). Call it before the app is ready.
   *
   * @param url path below the prefix of the scope, without the plugin's path
   * @throws WSM_ERR_INVALID_HANDLER for a scope without this plugin, a URL that is not a path or is taken, and once the app is
   *   ready
   */
  endpoint (url: string, rule: EndpointRule, options?: EndpointOptions): void {
    call(this.#owner, methods['ws.endpoint'], [url, rule, options], () => {
      const scope = options?.scope
      if (scope !== undefined && scope.ws !== this) throw new InvalidHandlerError(`The endpoint "${url}"`, 'its scope is not one that has this plugin')
      addRoute(`The endpoint "${url}"`, () => this.#host.addEndpoint(url, rule, scope === undefined ? null : scope as FastifyInstance))
    })
  }

  /** Listens to an event (row F4). Returns the undo; calling it twice is harmless. */
  on<E extends WsEventName> (event: E, listener: WsListener<E>): () => void {
    return call(this.#owner, methods['ws.on'], [event, listener], () => this.#node.events.on(event, listener))
  }

  /**
   * Asks a user whether a task shall go on, and waits for the answer (row A5). Resolves however the question ends; `outcome` says
   * how.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT, WSM_ERR_TOO_MANY_CONFIRMATIONS, WSM_ERR_UNAVAILABLE; WSM_ERR_WAIT_INTERRUPTED if the
   *   outcome cannot be determined in time: the question may still be answered, and `confirmations.wait(details.callback_id)`
   *   waits for it again
   */
  notifyUser<const S extends AnySchema = AnySchema> (result: StepResult, options: AskOptions<S>): Promise<UserConfirmation<StaticOf<S>>> {
    return call(this.#owner, methods['ws.notifyUser'], [result, options], () => this.#node.confirmations.notify(result, options))
  }

  /** Sends a user task heartbeats at intervals, until the task ends or the returned function is called (row A7). */
  startHeartbeat (options: TaskHeartbeatOptions): () => void {
    return call(this.#owner, methods['ws.startHeartbeat'], [options], () => this.#node.taskHeartbeats.start(options))
  }

  /**
   * Adds a socket on any node to a channel, without asking `authorizeSubscribe`. False: the socket does not exist, does not
   * belong to `userId`, or closed or switched users meanwhile; it is then not in the channel. Pass `userId` if anything was
   * awaited since the socket's user was read.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad channel name, WSM_ERR_TOO_MANY_CHANNELS; WSM_ERR_UNAVAILABLE, after at most two
   *   seconds, if a node that may have the socket did not answer: the socket may then be in the channel
   */
  join (clientId: string, channel: string, guard?: ClientGuard): Promise<boolean> {
    return call(this.#owner, methods['ws.join'], [clientId, channel, guard], () => this.#node.placements.join(placeOf(clientId, channel, guard)))
  }

  /**
   * Removes a socket on any node from a channel. False: the socket does not exist, or does not belong to `userId`. Leaving a
   * channel that the socket is not in is harmless.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad channel name, WSM_ERR_UNAVAILABLE as for `join`
   */
  leave (clientId: string, channel: string, guard?: ClientGuard): Promise<boolean> {
    return call(this.#owner, methods['ws.leave'], [clientId, channel, guard], () => this.#node.placements.leave(placeOf(clientId, channel, guard)))
  }

  /**
   * Lists the users and sockets in a channel with `presence`, on all nodes.
   *
   * @throws WSM_ERR_NO_PRESENCE for a channel whose rules do not enable presence
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad channel name, WSM_ERR_UNAVAILABLE
   */
  presence (channel: string): Promise<PresenceList> {
    return call(this.#owner, methods['ws.presence'], [channel], () => this.#node.presence.list(channel))
  }

  /**
   * Reads the messages that a stream still keeps, oldest first.
   *
   * @param topic `all`, `user:<user_id>`, `role:<role>`, `channel:<channel>` or `task:<task_id>`
   * @param since position to read from, exclusive; by default everything
   * @returns `complete: false` and no messages if the history does not reach back to that position, or the stream has no history
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad topic, WSM_ERR_UNAVAILABLE
   */
  history (topic: string, since?: StreamPosition): Promise<StreamHistory> {
    return call(this.#owner, methods['ws.history'], [topic, since], async () => {
      assertTopic('ws.history', topic)
      return this.#node.history.read(topic, since ?? null)
    })
  }

  /**
   * Returns the position of a stream now; null if it keeps no history. Asked for before a state is read, it tells which messages may
   * already be in that state: a client merges the state with its live messages by it.
   *
   * @param topic as for `history`
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad topic, WSM_ERR_UNAVAILABLE
   */
  position (topic: string): Promise<StreamPosition | null> {
    return call(this.#owner, methods['ws.position'], [topic], async () => {
      assertTopic('ws.position', topic)
      return this.#node.history.position(topic)
    })
  }

  /**
   * Revokes one token, or all tokens of a user issued before a given time. Every node closes their sockets with 4401; a revoked
   * token opens and refreshes no socket, and gets 401 by REST.
   *
   * Once this resolves with `complete: true`, nothing reaches those sockets any more, and no REST request with those tokens is in
   * progress: their handlers are aborted through `signal` and awaited, except the handler that makes this call. `missing` names
   * nodes that could not be asked, which catch up when they are back, and nodes where a request took longer than three seconds.
   *
   * A token's `iat` is in whole seconds, so a token issued in the same second as `issuedBefore` counts as issued before it; so
   * does one without `iat`.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT; WSM_ERR_UNAVAILABLE if it could not be stored, though it may still take effect
   */
  revoke (target: RevocationTarget): Promise<RevocationReport> {
    return call(this.#owner, methods['ws.revoke'], [target], () => this.#node.revocations.revoke(target))
  }

  /**
   * Closes one socket, or all sockets of a user, with 4403 on any node. Resolves when they have closed, to their number. Messages
   * sent earlier are still delivered to clients that read them.
   *
   * @param reason close reason that the client sees, cut after 123 bytes
   */
  disconnect (target: string | { userId: string }, reason = 'Disconnected by the server'): Promise<number> {
    return call(this.#owner, methods['ws.disconnect'], [target, reason],
      () => this.nodes.disconnect(typeof target === 'string' ? { client_id: target, reason } : { user_id: target.userId, reason }))
  }

  /** Returns the status of this node (row A1), or with `cluster` of all nodes. `missing` names nodes that do not answer within two seconds. */
  getStatus (options: { cluster: true }): Promise<ClusterStatus>
  getStatus (options?: { cluster?: false }): NodeStatus
  getStatus (options?: { cluster?: boolean }): NodeStatus | Promise<ClusterStatus> {
    return call<NodeStatus | Promise<ClusterStatus>>(this.#owner, methods['ws.getStatus'], [options], () => options?.cluster === true ? this.nodes.status() : this.#status())
  }

  #handle (type: string, given: HandlerOptions<AnySchema> | AnyHandler, last?: AnyHandler): void {
    const { handlers, router, contextOf } = this.#node
    const [options, handler] = typeof given === 'function' && last === undefined ? [{}, given] : [given, last]
    call(this.#owner, methods['ws.handle'], [type, options, handler], () => {
      const entry = handlers.create(type, options as HandlerOptions<AnySchema, AnySchema | undefined, string | undefined>, handler!)
      if (entry.isRest) addRoute(`The handler for "${type}"`, () => this.#host.addCallRoute(entry))
      handlers.add(entry)
      router.add({
        type,
        check: entry.check,
        rate: entry.rate,
        isRepeatable: true,
        replySchemaOf: () => entry.replySchema,
        run: (exchange) => entry.invoke(exchange.message, (channel) => contextOf(exchange, channel))
      })
    })
  }

  #status (): NodeStatus {
    const { registry, topics, confirmations, counters } = this.#node
    const address = this.#host.address()
    return {
      running: address !== null,
      host: address?.host ?? null,
      port: address?.port ?? null,
      active_connections: registry.openCount,
      pending_callbacks: confirmations.pendingCount,
      node_id: this.#node.cluster.nodeId,
      uptime_s: this.#uptimeSeconds(),
      clock_offset_ms: this.#node.clock.offsetMs,
      users: registry.userCount,
      channels: [...topics.channels()].length,
      slow_disconnects: counters.limits.slow_disconnects.value,
      messages_dropped: counters.limits.messages_dropped.value,
      rejected: counters.rejected(),
      version
    }
  }

  /**
   * Describes the socket as an AsyncAPI 3.0.0 document: the frames of the protocol, the messages and calls that the app has declared so
   * far, and the ways to authenticate. It names the server once the app listens.
   */
  asyncapi (): AsyncApiDocument {
    return this.#host.asyncapi()
  }

  /** Counts the open sockets of this node, without closing ones (row A2). */
  getConnectionCount (): number {
    return this.#node.registry.openCount
  }

  /** Tells whether this node accepts sockets (row A17). */
  getHealth (): NodeHealth {
    return { status: this.#host.isClosing() ? 'closing' : 'healthy', uptime_s: this.#uptimeSeconds() }
  }

  /** Returns whether the shared store works for this node, the reasons if not, and whether the node is closing. */
  getReadiness (): NodeReadiness {
    const { clock, readiness: { availability } } = this.#node
    const { status, reasons } = this.#host.isClosing() ? { status: 'closing' as const, reasons: [] } : availability
    return { status, reasons: [...reasons], ...isOff(clock) && { clock_offset_ms: clock.offsetMs } }
  }

  #uptimeSeconds (): number {
    return Math.round(performance.now() - this.#startedAt) / 1000
  }
}

/** @throws WSM_ERR_INVALID_HANDLER if Fastify refuses the route */
function addRoute (what: string, add: () => void): void {
  try {
    add()
  } catch (error) {
    const { code, message } = error as FastifyError
    const isLate = code === 'FST_ERR_INSTANCE_ALREADY_LISTENING'
    throw new InvalidHandlerError(what, isLate ? 'the app is ready already, and takes no more routes' : message)
  }
}

function placeOf (clientId: string, channel: string, { userId }: ClientGuard = {}) {
  return { client_id: clientId, channel, ...userId !== undefined && { user_id: userId } }
}

function assertTopic (method: string, topic: string): void {
  if (!isTopic(topic)) throw new InvalidArgumentError(method, 'topic: Expected "all", "user:<user_id>", "role:<role>", "channel:<channel>" or "task:<task_id>"')
}
