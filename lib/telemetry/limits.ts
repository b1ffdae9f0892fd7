import { closeCodes } from '../../schemas/codes.js'
import { NodeStatus, Rejected } from '../../schemas/records.js'
import {
  AlreadyConnectedError, ForbiddenError, RateLimitedError, TooDeepError, TooManyChannelsError, TooManyConfirmationsError, TooManyConnectionsError,
  TooManyPendingError, TooManyRolesError, UnavailableError
} from '../errors.js'
import { typeRateLimited, withDetails } from '../wire-error.js'
import { Limit, type LimitDeclaration } from './limit.js'

const { messageTooBig, policyViolation, tryAgainLater } = closeCodes

/** Refuses a frame, or a call by REST, for `waitMs`. */
const paced = (waitMs: number, by: 'frame' | 'call') => by === 'frame'
  ? withDetails(new RateLimitedError('Too many frames or bytes in too short a time'), { retry_after_ms: waitMs })
  : retryAfter(new RateLimitedError('Too many frames, calls or bytes in too short a time'), waitMs / 1000)

const queue = { options: ['limits.maxQueueMessages', 'limits.maxQueueBytes'] } as const

/**
 * Every limit of a node, by its name in the status. The descriptions are those of the status; the options are declared in the folder that
 * uses the limit.
 */
export const declarations = {
  connections: {
    options: ['limits.maxConnections'],
    errors: ['unavailable'],
    error: () => new UnavailableError('The server has too many connections'),
    closeCode: tryAgainLater
  },
  connections_per_user: {
    options: ['limits.maxConnectionsPerUser'],
    errors: ['too_many_connections'],
    error: (max: number) => new TooManyConnectionsError(max),
    closeCode: tryAgainLater
  },
  connections_per_ip: {
    options: ['limits.connectionsPerIpPerMinute'],
    errors: ['rate_limited'],
    error: (waitMs: number) => retryAfter(new RateLimitedError('Too many connections from this address'), waitMs / 1000),
    closeCode: tryAgainLater
  },
  duplicate_user: {
    options: ['onDuplicateUser'],
    errors: ['already_connected'],
    error: () => new AlreadyConnectedError(),
    closeCode: closeCodes.replaced,
    reason: 'Replaced by a newer connection of the user'
  },
  unauthenticated: {
    options: ['limits.maxUnauthenticated', 'limits.maxConnections'],
    errors: ['unavailable'],
    error: () => new UnavailableError('Too many sockets are waiting for their auth frame'),
    closeCode: tryAgainLater
  },
  unauthenticated_per_ip: {
    options: ['limits.maxUnauthenticatedPerIp'],
    errors: ['rate_limited'],
    error: () => new RateLimitedError('Too many sockets from this address are waiting for their auth frame'),
    closeCode: tryAgainLater
  },
  anonymous: {
    options: ['limits.maxAnonymous', 'limits.maxConnections'],
    errors: ['unavailable'],
    error: () => new UnavailableError('Too many sockets are anonymous'),
    closeCode: tryAgainLater
  },
  anonymous_per_ip: {
    options: ['limits.maxAnonymousPerIp'],
    errors: ['rate_limited'],
    error: () => new RateLimitedError('Too many sockets from this address are anonymous'),
    closeCode: tryAgainLater
  },
  closing: { options: ['limits.maxClosing'] },
  auth_timeouts: { options: ['auth.timeoutMs'], closeCode: closeCodes.timeout, reason: 'No auth frame in time' },
  origin: {
    options: ['origins'],
    errors: ['forbidden'],
    error: (text: string) => new ForbiddenError(text),
    closeCode: closeCodes.forbidden
  },
  messages: { options: ['limits.messagesPerSecond', 'limits.burst'], errors: ['rate_limited'], error: paced },
  type_messages: { options: ['limits.types'], errors: ['rate_limited'], error: typeRateLimited },
  bytes: { options: ['limits.bytesPerSecond', 'limits.burstBytes'], errors: ['rate_limited'], error: paced },
  joins: {
    options: ['limits.joinsPerSecond', 'limits.joinsBurst'],
    errors: ['rate_limited'],
    error: (waitMs: number) => withDetails(new RateLimitedError('Too many channels joined in too short a time'), { retry_after_ms: waitMs })
  },
  pending_bytes: { options: ['limits.maxPendingBytes'] },
  pending_requests: {
    options: ['limits.maxPendingRequests'],
    errors: ['too_many_pending'],
    error: (max: number, where: string) => retryAfter(new TooManyPendingError(max, `requests ${where}`), 1)
  },
  history_per_sender: { options: ['history.maxBytesPerSender', 'history.maxTopicsPerSender'], errors: ['rate_limited'] },
  errors: { options: ['limits.maxErrorsPerMinute'], closeCode: policyViolation, reason: 'Too many errors within a minute' },
  rate_limited: { options: ['limits.maxRateLimitedPerMinute'], closeCode: tryAgainLater, reason: 'Too many frames for too long' },
  payload: { options: ['limits.maxPayloadBytes'], closeCode: messageTooBig, reason: 'The frame is too big' },
  // ws closes the socket.
  fragments: { options: ['limits.maxFragments'], closeCode: policyViolation },
  depth: { options: ['limits.maxDepth'], errors: ['too_deep'], error: (max: number) => new TooDeepError(max) },
  channels: {
    options: ['limits.maxChannelsPerConnection'],
    errors: ['too_many_channels'],
    error: (max: number) => new TooManyChannelsError(max),
    closeCode: policyViolation
  },
  roles: {
    options: ['limits.maxRolesPerUser'],
    errors: ['too_many_roles'],
    error: (roles: number, max: number) => new TooManyRolesError(roles, max),
    closeCode: policyViolation
  },
  pending_handlers: {
    options: ['limits.maxPendingHandlers'],
    errors: ['too_many_pending'],
    error: (max: number) => new TooManyPendingError(max, 'frames of this connection')
  },
  confirmations: {
    options: ['limits.maxPendingConfirmationsPerUser'],
    errors: ['too_many_confirmations'],
    error: (max: number) => new TooManyConfirmationsError(max)
  },
  tickets: {
    options: [],
    errors: ['rate_limited', 'unavailable'],
    error: (of: 'user' | 'node') => of === 'user'
      ? new RateLimitedError('The user has too many tickets; use them, or wait until they expire')
      : new UnavailableError('There are too many tickets; try again later')
  },
  remembered_calls: {
    options: ['limits.maxRememberedBytesPerUser', 'limits.maxRememberedBytes'],
    errors: ['rate_limited', 'unavailable'],
    error: (of: 'user' | 'node') => of === 'user'
      ? new RateLimitedError('The user has made too many calls with an idempotency key within ten minutes')
      : new UnavailableError('There are too many calls with an idempotency key; try again later')
  },
  revocations: {
    options: ['limits.maxRevocations'],
    errors: ['unavailable'],
    error: () => new UnavailableError('There are too many revocations; revoke by user, or raise limits.maxRevocations')
  },
  slow_disconnects: { ...queue, closeCode: tryAgainLater },
  messages_dropped: queue
} as const satisfies { [name in keyof Rejected | 'slow_disconnects' | 'messages_dropped']: LimitDeclaration }

type Declarations = typeof declarations

/** The limits of a node by their names. */
export type Limits = { readonly [name in keyof Declarations]: Limit<Declarations[name]> }

/** Makes the limits of a node, none of them exceeded yet. */
export function createLimits (): Limits {
  const { slow_disconnects: slow, messages_dropped: dropped } = NodeStatus.properties
  const described = { ...Rejected.properties, slow_disconnects: slow, messages_dropped: dropped }
  return Object.fromEntries(Object.entries(declarations).map(([name, declaration]) =>
    [name, new Limit(name, described[name as keyof Limits].description!, declaration)])) as unknown as Limits
}

function retryAfter<E extends Error> (error: E, seconds: number): E & { retryAfterS: number } {
  return Object.assign(error, { retryAfterS: Math.ceil(seconds) })
}
