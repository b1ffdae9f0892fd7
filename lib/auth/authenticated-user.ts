import { Type, type Static } from '@sinclair/typebox'
import { Jti, UserId } from '../../schemas/fields.js'

/** Result of the app's `authenticate` and `verifyToken`. */
export const AuthenticatedUser = Type.Object({
  id: UserId,
  claims: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'What else is known, as a token\'s claims: roles and scope, for instance' })),
  expiresAt: Type.Optional(Type.Union([Type.Number(), Type.Null()], { description: 'Until when this holds, milliseconds since 1970' })),
  issuedAt: Type.Optional(Type.Union([Type.Number(), Type.Null()], { description: 'Since when this holds, milliseconds since 1970: what revocations of the user go by' })),
  jti: Type.Optional(Type.Union([Jti, Type.Null()], { description: 'The name of the session or token, by which it can be revoked' }))
})
/** User found by `authenticate` or `verifyToken`; times are milliseconds since 1970. */
export type AuthenticatedUser = Static<typeof AuthenticatedUser>
