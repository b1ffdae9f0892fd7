import { Type } from '@sinclair/typebox'
import type { FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import type { Client } from '../client.js'
import type { AdmittedUser, User } from '../user.js'
import type { AuthenticatedUser } from './authenticated-user.js'
import type { JoinDecision, RestAction, SendTarget } from './decisions.js'
import { JwtOptions } from './jwt-options.js'
import { milliseconds, group, hook, type OptionsOf } from '../option-types.js'

/** Decides who may join a channel; `client` is null without an open socket. */
export type AuthorizeSubscribe = (user: AdmittedUser, channel: string, client: Client | null) => JoinDecision | Promise<JoinDecision>

/** Decides who may send `user`, `channel` and `client` frames. */
export type AuthorizeSend = (user: AdmittedUser, target: SendTarget, client: Client) => boolean | Promise<boolean>

/** Options for authentication and authorization. */
export const authOptions = {
  jwt: Type.Optional(Type.Unsafe<FastifyJWTOptions>(JwtOptions)),
  authenticate: hook<(request: FastifyRequest) => AuthenticatedUser | null | Promise<AuthenticatedUser | null>>(
    'Identifies the user of a request; null: no credentials. Default: verify a token with @fastify/jwt'),
  verifyToken: hook<(token: string) => AuthenticatedUser | null | Promise<AuthenticatedUser | null>>(
    'With authenticate: identifies the user from the token in an auth frame. Default: auth frames are refused'),
  origins: Type.Optional(Type.Union([
    Type.Literal('*'),
    Type.Array(Type.String({ pattern: '^(?:null|file://|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\\s]+/?)$', description: 'An origin, for example https://app.example' }))
  ], { description: 'Origins whose pages may open sockets or send REST requests that change state, for example https://app.example or https://*.app.example. Default: same origin only' })),
  auth: group({
    timeoutMs: milliseconds(5_000, 'Time allowed for authentication, for each decision of an authorize… hook, and for the first auth frame'),
    expiryNoticeMs: milliseconds(30_000, 'Time before token expiry at which the client gets a token_expiring frame'),
    firstFrame: Type.Boolean({
      default: false,
      description: 'Accept sockets without a token and wait for an auth frame'
    }),
    anonymous: Type.Boolean({ default: false, description: 'Accept sockets without a token as anonymous (user_id null)' }),
    cookie: Type.Optional(Type.String({
      minLength: 1,
      description: 'Name of the cookie that may hold the token; requires @fastify/cookie. Default: no cookie is read'
    })),
    ticketTtlMs: milliseconds(30_000, 'Lifetime of a ticket'),
    identitySwitch: Type.Union([Type.Literal('allow'), Type.Literal('refuse')], {
      default: 'allow',
      description: 'Handling of an auth frame that would switch a user\'s socket to another user or make it anonymous'
    }),
    // May be half a year, which is longer than the longest timer.
    revocationTtlMs: Type.Integer({
      minimum: 1,
      maximum: 31_622_400_000,
      default: 2_592_000_000,
      description: 'Retention of a revocation if the token expiry is unknown; at least the longest token lifetime, milliseconds'
    }),
    requireExp: Type.Boolean({ default: true, description: 'Refuse tokens without an exp claim' }),
    userIdClaim: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      default: ['sub', 'user_id', 'id'],
      description: 'Token claim that holds the user id; of several, the first one present'
    })
  }, 'Authentication'),
  authorize: hook<(request: FastifyRequest, action: RestAction, user: User) => boolean | Promise<boolean>>(
    'Decides whether a user may use a REST route. Default: users whose roles or scope include ws:admin'),
  authorizeSubscribe: hook<AuthorizeSubscribe>(
    'Decides whether a user may join a channel; { since } limits the history that the user can read. client is null without an open socket. Default: nobody may'),
  authorizeSend: hook<AuthorizeSend>(
    'Decides whether a user may send user, channel and client frames. Default: nobody may')
}
export type AuthOptions = OptionsOf<typeof authOptions>
