import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { FastifyRequest } from 'fastify'
import type { FastifyJWTOptions } from '@fastify/jwt'
import { TypeLimit } from './protocol/type-limits.js'
import { JwtOptions } from './auth/jwt-options.js'
import type { EngineFactory } from './engine/engine.js'
import { InvalidOptionError } from './errors.js'
import { assertNoConflicts } from './option-conflicts.js'
import { MOST_KEPT_DEPTH } from './protocol/depth.js'
import { placeOf, reasonAgainst, type Reason } from './validation/reason.js'
import type { AuthenticatedUser } from './auth/hook-authenticator.js'
import type { Client } from './client.js'
import type { JoinDecision, RestAction, SendTarget } from './auth/permissions.js'
import type { User } from './user.js'

const count = (value: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 10_000_000, default: value, description })
const milliseconds = (value: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 2_147_483_647, default: value, description: `${description}, milliseconds` })
/** A rate that can be switched off. */
const rate = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 10_000_000, default: value, description: `${description}; 0: no limit` })
const group = <T extends Record<string, TSchema>>(properties: T, description: string) =>
  Type.Object(properties, { additionalProperties: false, default: {}, description })
const hook = <T>(description: string) =>
  Type.Optional(Type.Unsafe<T>(Type.Function([], Type.Unknown(), { description })))

const recoverFrom = (otherwise: string, options: { default?: 'position' } = {}) => Type.Union([Type.Literal('position'), Type.Literal('start')], {
  description: `Whether clients may ask for all that is kept, or only for what is behind a position${otherwise}`, ...options
})

const ChannelRule = Type.Object({
  history: Type.Optional(Type.Union([
    Type.Literal(false),
    Type.Object({
      size: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, description: 'Messages of each stream; by default history.size' })),
      ttlMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'How long a message is kept, milliseconds; by default history.ttlMs' }))
    }, { additionalProperties: false })
  ], { description: 'What is kept; false: nothing. By default as the option history says' })),
  presence: Type.Optional(Type.Boolean({ description: 'Know who is there, and tell the members; by default false' })),
  recover: Type.Optional(Type.Union([Type.Literal('missed'), Type.Literal('latest')], {
    description: 'What a subscriber gets: what it missed (the default), or the last message alone'
  })),
  recoverFrom: Type.Optional(recoverFrom('; by default history.recoverFrom'))
}, { additionalProperties: false })

/** The options of the plugin, with their units and defaults. */
export const OptionsSchema = Type.Object({
  path: Type.String({
    // Parameters and wildcards of the router would make it a route of many paths, and URL parsers resolve dots.
    pattern: '^(?:/(?!\\.{1,2}(?:/|$))[^/?#:*\\s]+)+$',
    default: '/ws',
    description: 'Where the socket is; the REST routes are below it. Without parameters, wildcards and a slash at its end'
  }),
  jwt: Type.Optional(Type.Unsafe<FastifyJWTOptions>(JwtOptions)),
  authenticate: hook<(request: FastifyRequest) => AuthenticatedUser | null | Promise<AuthenticatedUser | null>>(
    'Identifies the user of a request; null: no credentials. By default the token of @fastify/jwt does'),
  verifyToken: hook<(token: string) => AuthenticatedUser | null | Promise<AuthenticatedUser | null>>(
    'With authenticate: identifies the user of an auth frame\'s token; by default such frames are refused'),
  origins: Type.Optional(Type.Union([
    Type.Literal('*'),
    Type.Array(Type.String({ pattern: '^(?:null|file://|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\\s]+/?)$', description: 'An origin, for instance https://app.example' }))
  ], { description: 'Origins whose pages may open a socket, or change something by REST, for instance https://app.example or https://*.app.example; by default the same origin' })),
  rejectMode: Type.Union([Type.Literal('http'), Type.Literal('close')], {
    default: 'http',
    description: 'How a socket is refused: with an HTTP status before the upgrade, or opened and closed with a code that a browser can read'
  }),
  closeTimeoutMs: milliseconds(3_000, 'How long a client may take to answer a close frame before its socket is destroyed; bounds app.close()'),
  auth: group({
    timeoutMs: milliseconds(5_000, 'Time allowed for authentication, for each decision of an authorize… hook, and for the first auth frame'),
    expiryNoticeMs: milliseconds(30_000, 'How long before its token expires a client is warned'),
    firstFrame: Type.Boolean({
      default: false,
      description: 'Open the socket without a token and wait for an auth frame'
    }),
    anonymous: Type.Boolean({ default: false, description: 'Open the socket without a token, as an anonymous user (user_id null)' }),
    cookie: Type.Optional(Type.String({
      minLength: 1,
      description: 'The cookie that may hold the token, parsed by @fastify/cookie; by default none'
    })),
    ticketTtlMs: milliseconds(30_000, 'How long a ticket for a socket can be used'),
    identitySwitch: Type.Union([Type.Literal('allow'), Type.Literal('refuse')], {
      default: 'allow',
      description: 'Whether an auth frame may switch a user\'s socket to another user, or make it anonymous'
    }),
    // Half a year can be meant: more than a timer can wait.
    revocationTtlMs: Type.Integer({
      minimum: 1,
      maximum: 31_622_400_000,
      default: 2_592_000_000,
      description: 'How long a revocation is remembered where the token\'s expiry is not given: the longest life of a token, milliseconds'
    }),
    requireExp: Type.Boolean({ default: true, description: 'Refuse tokens that never expire' }),
    userIdClaim: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      default: ['sub', 'user_id', 'id'],
      description: 'The token\'s claim that names the user; of several the first that is there'
    })
  }, 'Who may connect'),
  authorize: hook<(request: FastifyRequest, action: RestAction, user: User) => boolean | Promise<boolean>>(
    'Who may use a REST route; by default users whose roles or scope hold ws:admin'),
  authorizeSubscribe: hook<(user: User | null, channel: string, client: Client | null) => JoinDecision | Promise<JoinDecision>>(
    'Who may join a channel, and from when on its history may be read ({ since }); by default nobody. client: null where there is no open socket'),
  authorizeSend: hook<(user: User | null, target: SendTarget, client: Client) => boolean | Promise<boolean>>(
    'Who may send user, channel and client frames; by default nobody'),
  heartbeat: group({
    enabled: Type.Boolean({ default: true, description: 'Send WebSocket pings' }),
    intervalMs: milliseconds(30_000, 'Time between two pings'),
    timeoutMs: milliseconds(10_000, 'How long a client may take to answer')
  }, 'How dead sockets are found'),
  confirmations: group({
    timeoutMs: milliseconds(300_000, 'How long a question waits for its answer'),
    onTimeout: Type.Union([Type.Literal('proceed'), Type.Literal('cancel')], {
      default: 'cancel',
      description: 'What an unanswered question means: silence is no consent, unless the app says so'
    }),
    retainMs: milliseconds(3_600_000, 'How long an ended question can still be read')
  }, 'Questions to people'),
  tasks: group({
    retainMs: milliseconds(3_600_000, 'How long an ended task can still be read'),
    cancelUnknown: Type.Boolean({ default: false, description: 'Announce a cancel frame for a task that ws.tasks has not started' })
  }, 'Tasks that users watch'),
  engine: hook<EngineFactory>('Engine that the nodes share: redis(…) of fastify-ws-manager/redis; by default this node\'s memory'),
  history: group({
    enabled: Type.Boolean({ default: true, description: 'Keep the latest messages, so that clients that were away can recover them' }),
    size: Type.Integer({ minimum: 1, maximum: 100_000, default: 300, description: 'Messages of each stream' }),
    ttlMs: milliseconds(300_000, 'How long a message is kept'),
    recoverFrom: recoverFrom('', { default: 'position' }),
    maxBytes: Type.Integer({ minimum: 1, default: 67_108_864, description: 'Size of all histories together, of what each node has published, bytes' }),
    maxTopics: count(100_000, 'Streams without members that are remembered, of those that each node has published to'),
    maxBytesPerSender: count(4_194_304, 'Size of the messages in all histories that one user sent to others, bytes; over that the user\'s own oldest are evicted, or the frame is refused'),
    maxTopicsPerSender: count(1_000, 'Streams that only one user\'s frames have published to; over that the user\'s own oldest are evicted'),
    // Nodes compare their positions with those in Redis at intervals of seconds.
    positionTtlMs: Type.Integer({ minimum: 60_000, maximum: 2_147_483_647, default: 86_400_000, description: 'How long the position of an unused stream is remembered, milliseconds' })
  }, 'History of the streams'),
  channels: Type.Record(Type.String(), ChannelRule, {
    additionalProperties: false,
    default: {},
    description: 'Rules by channel name, in which * stands for any text; later ones win'
  }),
  ack: group({
    timeoutMs: milliseconds(5_000, 'How long an acknowledgement is waited for in all, the tries together'),
    tries: Type.Integer({ minimum: 1, maximum: 100, default: 3, description: 'How often a message is sent, at equal intervals' })
  }, 'Acknowledged sends'),
  onDuplicateUser: Type.Union([Type.Literal('allow'), Type.Literal('replace'), Type.Literal('refuse')], {
    default: 'allow',
    description: 'How a user\'s second connection is handled: allowed beside the first, replacing it (4409), or refused'
  }),
  slowConsumer: Type.Union([Type.Literal('disconnect'), Type.Literal('drop')], {
    default: 'disconnect',
    description: 'How a client that does not read is handled: it is cut (1013), or messages are dropped and it is told how many'
  }),
  drain: group({
    timeoutMs: milliseconds(30_000, 'Time allowed for final messages during shutdown'),
    windowMs: Type.Integer({ minimum: 0, maximum: 3_600_000, default: 10_000, description: 'Window over which the clients are told to reconnect, milliseconds' })
  }, 'How the server closes'),
  compression: group({
    enabled: Type.Boolean({ default: false, description: 'Compress messages for clients that can read it (permessage-deflate)' }),
    thresholdBytes: Type.Integer({ minimum: 0, default: 1_024, description: 'From which size on, bytes' })
  }, 'Compression'),
  limits: group({
    maxConnections: count(1_000, 'Open sockets on this node'),
    maxConnectionsPerUser: count(10, 'Open sockets of one user on this node'),
    maxUnauthenticated: count(100, 'Sockets on this node that wait for their first auth frame'),
    maxUnauthenticatedPerIp: count(20, 'Sockets of one address on this node that wait for their first auth frame'),
    maxAnonymous: count(500, 'Open anonymous sockets on this node (auth.anonymous)'),
    maxAnonymousPerIp: count(100, 'Open anonymous sockets of one address on this node (auth.anonymous)'),
    maxClosing: count(1_000, 'Closing sockets on this node, whose client has not answered the close frame; over that the oldest is cut when another opens'),
    connectionsPerIpPerMinute: rate(600, 'Upgrade requests from one address within a minute'),
    messagesPerSecond: rate(20, 'Frames of all sockets of a user, and calls by REST, in the long run'),
    burst: count(100, 'Frames of all sockets of a user at once'),
    types: Type.Record(Type.String(), TypeLimit, {
      additionalProperties: false,
      default: {},
      description: 'How fast a user may send messages of a type, in place of the two before, by type, in which * stands for any text; later ones win'
    }),
    bytesPerSecond: rate(262_144, 'Size of the frames of all sockets of a user, and of calls by REST, in the long run, bytes'),
    burstBytes: count(1_048_576, 'Size of the frames of all sockets of a user at once, bytes'),
    joinsPerSecond: rate(20, 'Channels that all sockets of a user subscribe to, in the long run'),
    joinsBurst: count(1_000, 'Channels that all sockets of a user subscribe to at once'),
    maxPayloadBytes: count(65_536, 'Size of a client\'s frame, bytes'),
    maxFragments: count(128, 'Fragments of a client\'s frame'),
    maxDepth: Type.Integer({
      minimum: 1, maximum: MOST_KEPT_DEPTH, default: 32, description: 'Nesting of a client\'s frame, and of the body of a REST request, levels'
    }),
    maxChannelsPerConnection: count(100, 'Channels that one socket can be a member of'),
    maxPendingHandlers: count(100, 'Frames of one socket in progress, those that wait for an earlier one included'),
    maxPendingBytes: count(131_072, 'Size of the frames of one socket that wait for an earlier one; over that the socket is paused, bytes'),
    maxPendingRequests: count(100, 'REST requests in progress, of one user, of anonymous callers at one address, and on one connection'),
    maxQueueMessages: count(10_000, 'Messages that wait for one socket'),
    maxQueueBytes: count(1_048_576, 'Size of the messages that wait for one socket, bytes'),
    maxErrorsPerMinute: count(10, 'Errors within a minute at which the socket is closed'),
    maxRateLimitedPerMinute: count(1_000, 'Frames of a socket that were refused within a minute because there were too many, at which it is closed'),
    maxPendingConfirmationsPerUser: count(100, 'Questions to one user that this node waits for'),
    maxRevocations: count(100_000, 'Revocations that are remembered')
  }, 'Limits on what clients can use')
}, { additionalProperties: false })

/** What the app passes to `register`. Everything has a default, except `jwt` where the app has no @fastify/jwt. */
export type WsPluginOptions = DeepPartial<Static<typeof OptionsSchema>>

/** The options with every default filled in. */
export type Options = Static<typeof OptionsSchema>

/**
 * Fills in the defaults and checks everything.
 *
 * @throws WSM_ERR_INVALID_OPTION that names the first bad option
 */
export function normalizeOptions (given: WsPluginOptions): Options {
  const { options, reason } = read(given)
  if (options !== null) {
    assertNoConflicts(options)
    return options
  }
  const { path, message, schema, value } = reason
  const name = placeOf(path).slice(1)
  const meaning = schema?.description === undefined ? '' : ` (${schema.description})`
  const shown = schema === null ? '' : `, got ${show(value, schema)}`
  throw new InvalidOptionError(name === '' ? 'options' : name, `is not valid: ${message}${shown}${meaning}`)
}

/** What a schema of options says of a value, checked once at the start of the app. */
const check = {
  Schema: () => OptionsSchema as TSchema,
  Check: (value: unknown): value is Options => Value.Check(OptionsSchema, value),
  Errors: (value: unknown) => Value.Errors(OptionsSchema, value)
}

/** Reads each option once; an app may give a proxy, or a getter that throws. */
function read (given: WsPluginOptions): { options: Options, reason: null } | { options: null, reason: Reason } {
  const unread = reasonAgainst({ ...check, Check: (value): value is unknown => isObject(value) }, given)
  if (unread !== null) return { options: null, reason: unread }
  const options = withDefaults(OptionsSchema, given) as Options
  const reason = reasonAgainst(check, options)
  return reason === null ? { options, reason } : { options: null, reason }
}

type DeepPartial<T> = { [K in keyof T]?: (T[K] extends object | undefined ? K extends Kept ? T[K] : DeepPartial<T[K]> : T[K]) | undefined }
type Kept = 'jwt' | 'channels' | 'types' | 'engine' | 'authenticate' | 'verifyToken' | 'origins' | 'authorize' | 'authorizeSubscribe' | 'authorizeSend' | 'userIdClaim'

/**
 * A copy in which what is missing or undefined has its default. TypeBox's own way would write into what it is given, and
 * mix an array with the default one. `jwt` is no group of ours, and passed on untouched.
 */
function withDefaults (schema: TSchema, given: object): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...given }
  for (const [name, property] of Object.entries<TSchema>(schema.properties)) {
    const value = copy[name] === undefined ? structuredClone(property.default) : copy[name]
    copy[name] = isGroup(property) && isObject(value) ? withDefaults(property, value) : value
  }
  return copy
}

function isGroup (schema: TSchema): boolean {
  return schema.properties !== undefined && schema.default !== undefined
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Shows a bad value in the error message. Text given where an object belongs, or under an unknown name, is not shown: it can be a
 * secret.
 */
function show (value: unknown, schema: TSchema): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string' && schema.type !== 'object') return JSON.stringify(value)
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}
