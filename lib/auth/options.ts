import { Type } from '@sinclair/typebox'
import type { FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import type { Client } from '../client.js'
import type { AdmittedUser, User } from '../user.js'
import type { AuthenticatedUser } from './authenticated-user.js'
import type { JoinDecision, RestAction, SendTarget } from './decisions.js'
import { JwtOptions } from './jwt-options.js'
import { milliseconds, group, hook, type OptionsOf } from '../option-types.js'

/** Decides who may join a channel; `client` is null where there is no open socket. */
export type AuthorizeSubscribe = (user: AdmittedUser, channel: string, client: Client | null) => JoinDecision | Promise<JoinDecision>

/** Decides who may send `user`, `channel` and `client` frames. */
export type AuthorizeSend = (user: AdmittedUser, target: SendTarget, client: Client) => boolean | Promise<boolean>

/** Options for authentication and authorization. */
export const authOptions = {
  jwt: Type.Optional(Type.Unsafe<FastifyJWTOptions>(JwtOptions)),
  authenticate: hook<(request: FastifyRequest) => AuthenticatedUser | null | Promise<AuthenticatedUser | null>>(
    'Identifies the user of a request; null: no credentials. By default the token of @fastify/jwt does'),
  verifyToken: hook<(token: string) => AuthenticatedUser | null | Promise<AuthenticatedUser | null>>(
    'With authenticate: identifies the user of an auth frame\'s token; by default such frames are refused'),
  origins: Type.Optional(Type.Union([
    Type.Literal('*'),
    Type.Array(Type.String({ pattern: '^(?:null|file://|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\\s]+/?)$', description: 'An origin, for instance https://app.example' }))
  ], { description: 'Origins whose pages may open a socket, or change something by REST, for instance https://app.example or https://*.app.example; by default the same origin' })),
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
    // May be half a year, which is longer than the longest timer.
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
  authorizeSubscribe: hook<AuthorizeSubscribe>(
    'Who may join a channel, and from when on its history may be read ({ since }); by default nobody. client: null where there is no open socket'),
  authorizeSend: hook<AuthorizeSend>(
    'Who may send user, channel and client frames; by default nobody')
}
export type AuthOptions = OptionsOf<typeof authOptions>
