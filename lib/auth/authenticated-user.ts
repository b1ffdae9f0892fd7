import { Type, type Static } from '@sinclair/typebox'
import { Jti, UserId } from '../../schemas/fields.js'

/** Result of the app's `authenticate` and `verifyToken`. */
export const AuthenticatedUser = Type.Object({
  id: UserId,
  claims: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'Further facts, like the claims of a token: for instance roles and scope' })),
  expiresAt: Type.Optional(Type.Union([Type.Number(), Type.Null()], { description: 'Time at which the credentials expire, milliseconds since 1970; null: never' })),
  issuedAt: Type.Optional(Type.Union([Type.Number(), Type.Null()], { description: 'Time at which the credentials were issued, milliseconds since 1970; revoking a user applies to those issued before' })),
  jti: Type.Optional(Type.Union([Jti, Type.Null()], { description: 'Id of the session or token, by which it can be revoked' }))
})
/** User found by `authenticate` or `verifyToken`; times are milliseconds since 1970. */
export type AuthenticatedUser = Static<typeof AuthenticatedUser>
