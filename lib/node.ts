import type { FastifyBaseLogger } from 'fastify'
import { Admission } from './sessions/admission.js'
import { Endpoints } from './sessions/endpoints.js'
import { Identification } from './sessions/identification.js'
import type { Authenticator } from './auth/authenticator.js'
import { TokenExpiry } from './sessions/expiry.js'
import { Permissions } from './auth/permissions.js'
import { Revocations } from './sessions/revocations.js'
import { Tickets } from './auth/tickets.js'
import { BoundedWaits } from './bounded-waits.js'
import { Readiness } from './cluster/readiness.js'
import { Confirmations } from './confirmations/confirmations.js'
import { prepareContract } from './contract/prepared.js'
import { OpenQuestions } from './confirmations/open-questions.js'
import { RateBudgets } from './socket/rate-budgets.js'
import { ClosingSockets } from './socket/closing.js'
import { ConnectRate } from './sessions/connect-rate.js'
import { Heartbeat } from './socket/heartbeat.js'
import type { ConnectionSettings } from './socket/connection.js'
import { Lifecycle } from './sessions/lifecycle.js'
import { Outbox } from './socket/outbox.js'
import { Registry } from './socket/registry.js'
import { DeflatedFrames } from './socket/websocket-encoding.js'
import { TypeLimits } from './protocol/type-limits.js'
import { RoleLimit } from './sessions/role-limit.js'
import { UserSlots } from './sessions/user-slots.js'
import { CALL_RETENTION_MS, type Engine } from './engine/engine.js'
import { EventHub } from './events.js'
import { PendingRequests } from './http/pending-requests.js'
import type { Options } from './options.js'
import type { Exchange } from './protocol/exchange.js'
import { SocketContext } from './protocol/handler-context.js'
import { Handlers } from './protocol/handlers.js'
import { Outbound } from './protocol/outbound.js'
import { RememberedCalls } from './protocol/remembered-calls.js'
import { RepeatableCalls } from './protocol/repeatable-calls.js'
import { Router } from './protocol/router.js'
import { ackFrame } from './streams/frames/ack.js'
import { authFrames } from './sessions/frames/auth.js'
import { cancelFrame } from './tasks/cancel-frame.js'
import { confirmFrame } from './confirmations/confirm-frame.js'
import { connectionFrame } from './sessions/frames/connection.js'
import { pingFrame } from './protocol/frames/ping.js'
import { sendFrames } from './streams/frames/send.js'
import { subscribeFrame, unsubscribeFrame } from './sessions/frames/subscribe.js'
import { walkerFrame } from './protocol/frames/walker.js'
import { TaskHeartbeats } from './tasks/task-heartbeats.js'
import { TaskStore } from './tasks/task-store.js'
import { Tasks } from './tasks/tasks.js'
import { Counters } from './telemetry/counters.js'
import { Acknowledgements } from './streams/acknowledgements.js'
import { History } from './streams/history.js'
import { Memberships } from './streams/memberships.js'
import { Placements } from './streams/placements.js'
import { Presence } from './streams/presence.js'
import { Publisher } from './streams/publisher.js'
import { StreamRules } from './streams/stream-rules.js'
import { Topics } from './streams/topics.js'

/** Prerequisites of a node. */
export interface NodeContext {
  engine: Engine
  authenticator: Authenticator
  options: Options
  log: FastifyBaseLogger
}

/** The parts of a node. Each knows only the parts it needs. */
export type Node = ReturnType<typeof createNode>

/** Assembles the parts of a node. Depends on nothing of Fastify but its logger. */
export function createNode ({ engine, authenticator, options, log }: NodeContext) {
  const { limits } = options
  const contract = options.contract === undefined ? null : prepareContract(options.contract)
  const { clock, cluster } = engine
  const counters = new Counters()
  const events = new EventHub(log)
  const hookWaits = new BoundedWaits()
  const registry = new Registry()
  engine.onEviction((messages) => counters.limits.history_per_sender.count(messages))

  // Streams: topics, their members, and delivery to them.
  const rules = new StreamRules(options, contract?.rules)
  const topics = new Topics(engine, rules)
  const presence = new Presence({ store: engine.presence, topics, rules, events, log })
  const acknowledgements = new Acknowledgements(topics, engine)
  const memberships = new Memberships({ topics, presence, acknowledgements, limit: counters.limits.channels }, limits.maxChannelsPerConnection)
  const placements = new Placements(cluster, registry, memberships)
  const history = new History(engine, rules)
  const outbound = new Outbound(contract)
  const publisher = new Publisher({ engine, topics, rules, registry, outbound, acknowledgements }, options.ack)

  // Questions and tasks.
  const openQuestions = new OpenQuestions(limits.maxPendingConfirmationsPerUser, counters.limits.confirmations)
  const confirmations = new Confirmations({ engine, publisher, events, open: openQuestions, log, kinds: contract?.kinds ?? null }, options.confirmations)
  const taskStore = new TaskStore(options.tasks.retainMs)
  const taskHeartbeats = new TaskHeartbeats(publisher, taskStore, clock, log)
  const tasks = new Tasks({ engine, store: taskStore, publisher, confirmations, heartbeats: taskHeartbeats, events, log })

  // Sessions: authentication, permissions and expiry.
  const permissions = new Permissions(options, hookWaits, log)
  const tickets = new Tickets(engine.tickets, options.auth.ticketTtlMs, clock, counters.limits.tickets)
  const requests = new PendingRequests(limits.maxPendingRequests, clock, counters.limits.pending_requests)
  const revocations = new Revocations(
    { engine, registry, work: requests, limit: counters.limits.revocations, log },
    { ttlMs: options.auth.revocationTtlMs, toleranceMs: authenticator.toleranceMs }
  )
  const identification = new Identification({ authenticator, tickets, revocations, waits: hookWaits, counters, log }, options)
  const endpoints = new Endpoints(permissions, hookWaits, options.auth.timeoutMs, log)
  const connectRate = new ConnectRate(limits.connectionsPerIpPerMinute, counters.limits.connections_per_ip)
  const slots = new UserSlots(registry, options, counters.limits)
  const roles = new RoleLimit(limits.maxRolesPerUser, counters.limits.roles)
  const admission = new Admission({ connectRate, slots, roles, identification, permissions, endpoints, revocations, counters }, options)
  const lifecycle = new Lifecycle({
    registry,
    memberships,
    admission,
    slots,
    events,
    counters,
    authTimeoutMs: options.auth.timeoutMs,
    onAdmitted: (connection) => confirmations.redeliver(connection)
  })
  const tokenExpiry = new TokenExpiry(registry, options.auth.expiryNoticeMs, clock)
  const readiness = new Readiness(cluster, registry, events)

  // Sockets.
  const heartbeat = new Heartbeat(registry, options.heartbeat)
  const rateBudgets = new RateBudgets(limits)
  const closing = new ClosingSockets({ maxClosing: limits.maxClosing, closeTimeoutMs: options.closeTimeoutMs, limits: counters.limits })
  const sendSettings = {
    outbox: new Outbox(),
    maxMessages: limits.maxQueueMessages,
    maxBytes: limits.maxQueueBytes,
    slowConsumer: options.slowConsumer,
    onDropped: () => counters.limits.messages_dropped.count()
  }
  const connectionSettings: ConnectionSettings = {
    clock,
    maxErrorsPerMinute: limits.maxErrorsPerMinute,
    maxRateLimitedPerMinute: limits.maxRateLimitedPerMinute,
    maxPendingBytes: limits.maxPendingBytes,
    rateBudgets,
    closing,
    limits: counters.limits,
    closeTimeoutMs: options.closeTimeoutMs,
    log,
    onSlow: (client, action) => {
      if (action === 'disconnect') counters.limits.slow_disconnects.count()
      client.log.warn({ action }, 'slow consumer: the client does not read its messages')
      // Deferred: messages published by a listener must not overtake the message that is being delivered.
      queueMicrotask(() => events.emit('slow_consumer', { client, action }))
    },
    onClosing: (connection) => slots.ended(connection)
  }

  // Frames: built-in ones and the app's handlers.
  const typeLimits = new TypeLimits(limits.types)
  const handlers = new Handlers(permissions, revocations, typeLimits, contract?.calls ?? null)
  const contextOf = (exchange: Exchange<object>, channel: string | null) => new SocketContext(exchange, channel, memberships, outbound)
  const repeatableCalls = new RepeatableCalls(engine.calls, new RememberedCalls(limits, counters.limits.remembered_calls, CALL_RETENTION_MS))
  const router = new Router(events, limits, counters, repeatableCalls)
  const builtIns = [
    pingFrame(clock),
    connectionFrame(lifecycle),
    ...authFrames(admission, lifecycle),
    subscribeFrame(memberships, permissions),
    unsubscribeFrame(memberships),
    ackFrame(acknowledgements),
    confirmFrame(confirmations, revocations),
    cancelFrame(tasks, revocations, options.tasks),
    walkerFrame(handlers, contextOf),
    ...sendFrames(publisher, permissions, revocations, outbound)
  ]
  for (const route of builtIns) router.add({ ...route, rate: typeLimits.of(route.type) })

  return {
    log,
    clock,
    cluster,
    counters,
    events,
    registry,
    readiness,
    rules,
    topics,
    presence,
    memberships,
    placements,
    history,
    outbound,
    publisher,
    confirmations,
    tasks,
    taskHeartbeats,
    permissions,
    tickets,
    requests,
    revocations,
    identification,
    admission,
    lifecycle,
    heartbeat,
    rateBudgets,
    closing,
    deflatedFrames: new DeflatedFrames(options.compression.thresholdBytes),
    sendSettings,
    connectionSettings,
    handlers,
    contextOf,
    contract,
    router,
    repeatableCalls,
    /** Starts checking for silent sockets, expiring tokens and due questions. */
    start: () => {
      if (options.heartbeat.enabled) heartbeat.start()
      tokenExpiry.start()
      confirmations.start()
    },
    /** Stops timers and pending waits while the sockets are still open, so clients are informed. */
    close: async () => {
      heartbeat.stop()
      tokenExpiry.stop()
      hookWaits.close()
      rateBudgets.close()
      presence.close()
      taskHeartbeats.close()
      acknowledgements.close()
      // Closed before the tasks' signals fire: the app may pass a task's signal to a question, which must end as closed, not
      // aborted.
      await confirmations.close().finally(() => tasks.close())
    },
    /** Stores what the engine must know before it closes. Called once no socket or request can arrive. */
    settle: () => repeatableCalls.close(),
    /** Ends what was begun while the server was closing. Called once no socket, request or message of another node can arrive. */
    end: () => {
      hookWaits.close()
      acknowledgements.close()
    }
  }
}
