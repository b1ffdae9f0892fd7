import { Type, type SchemaOptions, type Static, type TSchema } from '@sinclair/typebox'

/**
 * Pattern of well-formed UTF-16. Redis and sockets turn lone surrogates into one character, so two names that differ in one would
 * become equal. Written without the flag u, which JSON Schema patterns cannot have.
 */
export const WELL_FORMED = '^(?:[^\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff])*$'

/** Id of a user in the app: the token's subject. */
export const UserId = Type.String({ minLength: 1, maxLength: 256, pattern: WELL_FORMED, description: 'The user, as named by the token' })

/** One socket; new on every connect. */
export const ClientId = Type.String({ minLength: 1, maxLength: 64, description: 'One socket; new on every connect' })

/** A channel's name. */
export const ChannelName = Type.String({ minLength: 1, maxLength: 200, pattern: WELL_FORMED, description: 'A channel' })

/** A role, as the claim `roles` names it. */
export const RoleName = Type.String({ minLength: 1, maxLength: 128, pattern: WELL_FORMED, description: 'A role of users, as named by the token' })

export const TaskId = Type.String({ minLength: 1, maxLength: 256, pattern: WELL_FORMED, description: 'A task of the app' })

export const CallbackId = Type.String({ minLength: 1, maxLength: 64, description: 'One question to one user' })

/** The name of a message: `chat.message`, `task_progress`. */
export const MessageType = Type.String({ minLength: 1, maxLength: 128, description: 'The name of the message' })

/** A client's own correlation id, which its `reply` or `error` carries. Larger numbers would be rounded. */
export const FrameId = Type.Union([
  Type.String({ maxLength: 128 }), Type.Number({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })
])
export type FrameId = Static<typeof FrameId>

/** Milliseconds since 1970-01-01T00:00:00Z. */
export const Timestamp = Type.Number({ description: 'Milliseconds since 1970-01-01T00:00:00Z' })

/** A point in time that a caller gives. A time before 2001 would be in seconds, one after 5138 in microseconds. */
export const Moment = Type.Integer({ minimum: 1e12, maximum: 1e14, description: 'Milliseconds since 1970-01-01T00:00:00Z' })

/** Claim that names a token (RFC 7519 section 4.1.7). */
export const Jti = Type.String({ minLength: 1, maxLength: 512, pattern: WELL_FORMED, description: 'The token\'s own name, its claim jti' })

export const Feedback = Type.String({ maxLength: 10_000, description: 'What the person wrote, free text' })

export const Nullable = <T extends TSchema>(schema: T, options?: SchemaOptions) => Type.Union([schema, Type.Null()], options)

/** A position in a stream: messages of an epoch have the offsets 1, 2, 3…; another epoch means that continuity was lost. */
export const StreamPosition = Type.Object({
  epoch: Type.String({ minLength: 1, maxLength: 64 }),
  offset: Type.Integer({ minimum: 0 })
}, { additionalProperties: false, description: 'A place in a stream' })
export type StreamPosition = Static<typeof StreamPosition>

/** Position from which a client continues a stream. */
export const RecoverFrom = Type.Union([StreamPosition, Type.Literal('start')], {
  description: 'What the client has of the stream; start: nothing, so that it gets whatever is kept'
})
export type RecoverFrom = Static<typeof RecoverFrom>
