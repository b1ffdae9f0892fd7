import type { FastifyError, FastifyInstance } from 'fastify'
import type { ClientDeliveryReport, DeliveryReport, SendOptions } from '../schemas/messages.js'
import type { StreamPosition } from '../schemas/fields.js'
import type { ClusterStatus, NodeHealth, PresenceList, NodeReadiness, NodeStatus, StreamHistory } from '../schemas/records.js'
import type { RevocationReport } from '../schemas/rest.js'
import { toTypeBox, type AnySchema, type StaticOf } from './any-schema.js'
import type { EndpointRule } from './sessions/endpoints.js'
import type { RevocationTarget } from './sessions/revocations.js'
import { Nodes } from './cluster/nodes.js'
import { Placements } from './streams/placements.js'
import type { Confirmations } from './confirmations/confirmations.js'
import type { AskOptions, StepResult, UserConfirmation } from './confirmations/question.js'
import { isOff } from './engine/clock.js'
import { InvalidArgumentError, InvalidHandlerError } from './errors.js'
import type { WsEventName, WsListener } from './events.js'
import { isTopic } from './ids.js'
import type { Handler, HandlerEntry, HandlerOptions } from './protocol/handlers.js'
import type { Node } from './node.js'
import type { Tasks } from './tasks/tasks.js'
import type { TaskHeartbeatOptions } from './tasks/task-heartbeats.js'
import type { ClientSendOptions } from './streams/publisher.js'
import { topicOf } from './topic-names.js'
import { version } from './version.js'
import { methods } from './signatures.js'
import { call, callable, type Owner } from './validation/call.js'

/** What the manager needs of the server that it runs in. */
export interface Host {
  /** Where the server listens; null while it does not. */
  address: () => { host: string, port: number } | null
  isClosing: () => boolean
  /** Whether it has closed, and with it the engine. */
  hasClosed: () => boolean
  addEndpoint: (url: string, rule: EndpointRule, scope: FastifyInstance | null) => void
  addCallRoute: (entry: HandlerEntry) => void
}

/** The parts of a node that the app reaches by the manager. */
export type ManagerParts = Pick<Node,
  | 'cluster' | 'clock' | 'confirmations' | 'contextOf' | 'counters' | 'events' | 'handlers' | 'history' | 'log' | 'memberships' | 'outbound'
  | 'presence' | 'publisher' | 'readiness' | 'registry' | 'revocations' | 'router' | 'taskHeartbeats' | 'tasks' | 'topics'>

/** The place of an endpoint in the app. */
export interface EndpointOptions {
  /** A scope of the app, whose prefix and hooks are the endpoint's; by default the one that the plugin is in. */
  scope?: Pick<FastifyInstance, 'ws'> | undefined
}

/** The user that a socket must belong to. */
export interface ClientGuard {
  /** The user's id; null: the socket must be anonymous. By default any user will do. */
  userId?: string | null | undefined
}

/**
 * `fastify.ws`. Messages are JSON objects with a `type`; every send resolves when the message is handed over, to how many
 * sockets of this node it was handed to (`localRecipients`) and where it is in its stream (`position`; null where it is not
 * kept), and throws WSM_ERR_INVALID_ARGUMENT for a message that has no type, sets a reserved field, or does not match the
 * schema that its type was declared with.
 *
 * A failure that nobody listens to is logged, and does not end the process: a send need not be awaited.
 *
 * Every method checks its arguments and throws WSM_ERR_INVALID_ARGUMENT, which names method and argument, where a part behind it
 * throws WSM_ERR_INVALID_MESSAGE: what the app gets wrong is not its caller's fault. An answer that the app hands on to
 * `confirmations.answer` is the person's. When the server has closed, every method that returns a promise rejects with
 * WSM_ERR_UNAVAILABLE.
 */
export class WsManager {
  /** Questions to people that are open or ended not long ago. */
  readonly confirmations: Pick<Confirmations, 'get' | 'list' | 'wait' | 'answer' | 'cancel'>
  /** Tasks that users watch. */
  readonly tasks: Pick<Tasks, 'start' | 'progress' | 'log' | 'done' | 'fail' | 'cancel' | 'get' | 'list'>
  /** @internal */
  readonly nodes: Nodes
  readonly #node: ManagerParts
  readonly #host: Host
  readonly #owner: Owner
  readonly #placements: Placements
  readonly #startedAt = performance.now()

  /** @internal */
  constructor (node: ManagerParts, host: Host) {
    this.#node = node
    this.#host = host
    this.#owner = { log: node.log, hasClosed: host.hasClosed }
    this.confirmations = callable(this.#owner, {
      get: methods['ws.confirmations.get'],
      list: methods['ws.confirmations.list'],
      wait: methods['ws.confirmations.wait'],
      answer: methods['ws.confirmations.answer'],
      cancel: methods['ws.confirmations.cancel']
    }, node.confirmations)
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
    this.#placements = new Placements(node.cluster, node.registry, node.memberships)
    this.nodes = new Nodes(node.cluster, node.registry, () => this.#status())
  }

  /**
   * Sends to every authenticated socket (row A3).
   *
   * @param options whether it is acknowledged, kept in the history and compressed, and which sockets do not get it
   * @throws WSM_ERR_INVALID_ARGUMENT, and WSM_ERR_UNAVAILABLE if Redis is out of reach
   */
  broadcast (message: object, options?: SendOptions): Promise<DeliveryReport> {
    return call(this.#owner, methods['ws.broadcast'], [message, options], () => this.#node.publisher.publish(topicOf.all, message, options))
  }

  /** Sends to every socket of one user, and to nobody else (row A4). Options and errors as for `broadcast`. */
  sendToUser (userId: string, message: object, options?: SendOptions): Promise<DeliveryReport> {
    return call(this.#owner, methods['ws.sendToUser'], [userId, message, options], () => this.#node.publisher.publish(topicOf.user(userId), message, options))
  }

  /** Sends to every member of a channel (row H1). Options and errors as for `broadcast`. */
  sendToChannel (channel: string, message: object, options?: SendOptions): Promise<DeliveryReport> {
    return call(this.#owner, methods['ws.sendToChannel'], [channel, message, options], () => this.#node.publisher.publish(topicOf.channel(channel), message, options))
  }

  /**
   * Sends to one socket, on whichever node it is (row F5), outside of all streams. `recipients: 0`: the socket is gone, or with
   * `userId` belongs to another user: a socket can switch users while a message is prepared. With `complete: false` a node has not
   * said whether it is there; it may have arrived.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT
   */
  sendToClient (clientId: string, message: object, options?: ClientSendOptions): Promise<ClientDeliveryReport> {
    return call(this.#owner, methods['ws.sendToClient'], [clientId, message, options], () => this.#node.publisher.sendToClient(clientId, message, options))
  }

  /**
   * Handles the frames of a type (row F3), with `channel` those that members send in a channel (row H5).
   *
   * @throws WSM_ERR_INVALID_HANDLER for a type that is taken or not namespaced, a schema that cannot be compiled, a bad pattern of
   *   channels, and with `rest: true` when the app is ready already; nothing is registered then
   */
  handle<S extends AnySchema, R extends AnySchema | undefined = undefined, C extends string | undefined = undefined> (
    type: string, options: HandlerOptions<S, R, C>, handler: Handler<S, R, C>
  ): void {
    const { handlers, router, contextOf } = this.#node
    call(this.#owner, methods['ws.handle'], [type, options, handler], () => {
      const entry = handlers.create(type, options, handler)
      if (entry.isRest) addRoute(type, () => this.#host.addCallRoute(entry))
      handlers.add(entry)
      router.add({
        type,
        check: entry.check,
        rate: entry.rate,
        replySchemaOf: () => entry.replySchema,
        run: (exchange) => entry.invoke(exchange.message, (channel) => contextOf(exchange, channel))
      })
    })
  }

  /**
   * Declares what the app's outbound messages of a type look like; from now on others are refused (row H3).
   *
   * @throws WSM_ERR_INVALID_HANDLER where the type is declared already, or the schema cannot be compiled
   */
  declare<S extends AnySchema> (type: string, schema: S): void {
    call(this.#owner, methods['ws.declare'], [type, schema], () => this.#node.outbound.declare(type, toTypeBox(schema)))
  }

  /**
   * Another socket route with channels and an authorisation of its own (row H4). Call it before the app is ready.
   *
   * @param url without the plugin's path; below the prefix of the scope
   * @throws WSM_ERR_INVALID_HANDLER for a scope that does not have this plugin, a URL that is no path or taken, and when the app is ready already
   */
  endpoint (url: string, rule: EndpointRule, options?: EndpointOptions): void {
    call(this.#owner, methods['ws.endpoint'], [url, rule, options], () => {
      const scope = options?.scope
      if (scope !== undefined && scope.ws !== this) throw new InvalidHandlerError(url, 'its scope is not one that has this plugin')
      addRoute(url, () => this.#host.addEndpoint(url, rule, scope === undefined ? null : scope as FastifyInstance))
    })
  }

  /** Listens to what happens (row F4). Returns the undo; calling it twice is harmless. */
  on<E extends WsEventName> (event: E, listener: WsListener<E>): () => void {
    return call(this.#owner, methods['ws.on'], [event, listener], () => this.#node.events.on(event, listener))
  }

  /**
   * Asks a user whether a task shall go on, and waits for the answer (row A5). Resolves however the question ends; what
   * happened is in `outcome`.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT, WSM_ERR_TOO_MANY_CONFIRMATIONS, WSM_ERR_UNAVAILABLE, WSM_ERR_WAIT_INTERRUPTED where the outcome
   *   cannot be known in time; the question may still be answered then, and `confirmations.wait(details.callback_id)` waits for it again
   */
  notifyUser<S extends AnySchema = AnySchema> (result: StepResult, options: AskOptions<S>): Promise<UserConfirmation<StaticOf<S>>> {
    return call(this.#owner, methods['ws.notifyUser'], [result, options], () => this.#node.confirmations.ask(result, options))
  }

  /** Tells a user at intervals that a task is alive, until it ends or the returned function is called (row A7). */
  startHeartbeat (options: TaskHeartbeatOptions): () => void {
    return call(this.#owner, methods['ws.startHeartbeat'], [options], () => this.#node.taskHeartbeats.start(options))
  }

  /**
   * Adds a socket to a channel, on whichever node it is, without asking `authorizeSubscribe`. False: there is no such socket, or it
   * belongs to another user than `userId`, or it ended or switched users meanwhile; then it is not in the channel. Pass `userId` if
   * anything was awaited since the socket's user was known.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad channel name, WSM_ERR_TOO_MANY_CHANNELS; WSM_ERR_UNAVAILABLE, at the latest after two
   *   seconds, where a node that may have the socket did not answer: it may be in the channel then
   */
  join (clientId: string, channel: string, guard?: ClientGuard): Promise<boolean> {
    return call(this.#owner, methods['ws.join'], [clientId, channel, guard], () => this.#placements.join(placeOf(clientId, channel, guard)))
  }

  /**
   * Removes a socket from a channel, on whichever node it is. False: there is no such socket, or it belongs to another user than
   * `userId`. Leaving a channel that it is not in is harmless.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad channel name, WSM_ERR_UNAVAILABLE as for `join`
   */
  leave (clientId: string, channel: string, guard?: ClientGuard): Promise<boolean> {
    return call(this.#owner, methods['ws.leave'], [clientId, channel, guard], () => this.#placements.leave(placeOf(clientId, channel, guard)))
  }

  /**
   * Lists who is in a channel that has `presence` by rule, by user and by socket, on all nodes.
   *
   * @throws WSM_ERR_NO_PRESENCE for a channel without the rule: nothing is known of who is there
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad channel name, WSM_ERR_UNAVAILABLE
   */
  presence (channel: string): Promise<PresenceList> {
    return call(this.#owner, methods['ws.presence'], [channel], () => this.#node.presence.list(channel))
  }

  /**
   * Reads the messages that a stream still keeps, oldest first.
   *
   * @param topic the stream's: `all`, `user:<user_id>` or `channel:<channel>`
   * @param since the position after which to read; by default everything
   * @returns `complete: false`, and no messages, if the history does not reach back to that position, or the stream is not kept
   * @throws WSM_ERR_INVALID_ARGUMENT for a bad topic, WSM_ERR_UNAVAILABLE
   */
  history (topic: string, since?: StreamPosition): Promise<StreamHistory> {
    return call(this.#owner, methods['ws.history'], [topic, since], async () => {
      if (!isTopic(topic)) throw new InvalidArgumentError('ws.history', 'topic: Expected "all", "user:<user_id>" or "channel:<channel>"')
      return this.#node.history.read(topic, since ?? null)
    })
  }

  /**
   * Revokes one token, or all tokens of a user that were issued before a moment. On every node their sockets are closed with
   * 4401; a revoked token opens no socket, refreshes none, and is 401 by REST.
   *
   * When this resolves with `complete: true`, nothing reaches those sockets any more and no REST request of those tokens is in
   * progress: handlers called by one are told by their `signal` and awaited, except the handler that calls this. `missing` names
   * nodes that could not be asked, which catch up when they are back, and nodes where a request took longer than three seconds.
   *
   * A token's `iat` is in whole seconds, so one issued in the second of `issuedBefore` counts as issued before it; so does one
   * without `iat`.
   *
   * @throws WSM_ERR_INVALID_ARGUMENT, WSM_ERR_UNAVAILABLE where it could not be stored; it may hold all the same
   */
  revoke (target: RevocationTarget): Promise<RevocationReport> {
    return call(this.#owner, methods['ws.revoke'], [target], () => this.#node.revocations.revoke(target))
  }

  /**
   * Closes one socket, or all of a user's, with 4403, on whichever node. Resolves when they are gone, to how many there were.
   * Messages sent before are still delivered to clients that read them.
   *
   * @param reason the close reason that the client sees; cut after 123 bytes
   */
  disconnect (target: string | { userId: string }, reason = 'Disconnected by the server'): Promise<number> {
    return call(this.#owner, methods['ws.disconnect'], [target, reason],
      () => this.nodes.disconnect(typeof target === 'string' ? { client_id: target, reason } : { user_id: target.userId, reason }))
  }

  /**
   * What this node is doing (row A1); with `cluster` what all of them are. A node that does not answer within two seconds
   * is named in `missing`.
   */
  getStatus (options: { cluster: true }): Promise<ClusterStatus>
  getStatus (options?: { cluster?: false }): NodeStatus
  getStatus (options?: { cluster?: boolean }): NodeStatus | Promise<ClusterStatus> {
    return call<NodeStatus | Promise<ClusterStatus>>(this.#owner, methods['ws.getStatus'], [options], () => options?.cluster === true ? this.nodes.status() : this.#status())
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
      slow_disconnects: counters.slowDisconnects,
      messages_dropped: counters.messagesDropped,
      rejected: { ...counters.refusals },
      version
    }
  }

  /** Open sockets of this node; those that are closing do not count (row A2). */
  getConnectionCount (): number {
    return this.#node.registry.openCount
  }

  /** Whether this node takes sockets (row A17). */
  getHealth (): NodeHealth {
    return { status: this.#host.isClosing() ? 'closing' : 'healthy', uptime_s: this.#uptimeSeconds() }
  }

  /** Whether what the nodes share works for this node, with the reasons where it does not, and whether it closes. */
  getReadiness (): NodeReadiness {
    const { clock, readiness: { availability } } = this.#node
    const { status, reasons } = this.#host.isClosing() ? { status: 'closing' as const, reasons: [] } : availability
    return { status, reasons: [...reasons], ...isOff(clock) && { clock_offset_ms: clock.offsetMs } }
  }

  #uptimeSeconds (): number {
    return Math.round(performance.now() - this.#startedAt) / 1000
  }
}

/** @throws WSM_ERR_INVALID_HANDLER where Fastify does not take a route */
function addRoute (name: string, add: () => void): void {
  try {
    add()
  } catch (error) {
    const { code, message } = error as FastifyError
    const isLate = code === 'FST_ERR_INSTANCE_ALREADY_LISTENING'
    throw new InvalidHandlerError(name, isLate ? 'the app is ready already, and takes no more routes' : message)
  }
}

function placeOf (clientId: string, channel: string, { userId }: ClientGuard = {}) {
  return { client_id: clientId, channel, ...userId !== undefined && { user_id: userId } }
}
