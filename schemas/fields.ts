import { Type, type SchemaOptions, type Static, type TSchema } from '@sinclair/typebox'

/**
 * Pattern of well-formed UTF-16. Redis and sockets turn lone surrogates into one character, so two names that differ in one would
 * become equal. Written without the flag u, which JSON Schema patterns cannot have.
 */
export const WELL_FORMED = '^(?:[^\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff])*$'

/** Id of a user in the app: the token's subject. */
export const UserId = Type.String({ minLength: 1, maxLength: 256, pattern: WELL_FORMED, description: 'Id of a user, as in the token' })

/** One socket; new on every connect. */
export const ClientId = Type.String({ minLength: 1, maxLength: 64, description: 'Id of a socket; new on every connect' })

/** A channel's name. */
export const ChannelName = Type.String({ minLength: 1, maxLength: 200, pattern: WELL_FORMED, description: 'Name of a channel' })

/** A role, as the claim `roles` names it. */
export const RoleName = Type.String({ minLength: 1, maxLength: 128, pattern: WELL_FORMED, description: 'Name of a role, as in the claim roles of the token' })

export const TaskId = Type.String({ minLength: 1, maxLength: 256, pattern: WELL_FORMED, description: 'Id of a task' })

export const CallbackId = Type.String({ minLength: 1, maxLength: 64, description: 'Id of a question' })

/** Pattern of an app's own names, `<plugin>.<event>` (row F7). */
export const APP_NAME = '^[a-zA-Z][\\w-]{0,63}(\\.[a-zA-Z_][\\w-]{0,63}){1,4}$'

/** The name of a message: `chat.message`, `task_progress`. */
export const MessageType = Type.String({ minLength: 1, maxLength: 128, description: 'Type of the message' })

/** A client's own correlation id, which its `reply` or `error` carries. Larger numbers would be rounded. */
export const FrameId = Type.Union([
  Type.String({ maxLength: 128 }), Type.Number({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })
])
export type FrameId = Static<typeof FrameId>

/** A client's own name for a call, so that it can repeat the call: the server runs it once. */
export const IdempotencyKey = Type.String({ minLength: 1, maxLength: 128, pattern: '^[\\x21-\\x7e]+$', description: 'Runs the call once: a repetition with the same key gets the same answer' })

/** Milliseconds since 1970-01-01T00:00:00Z. */
export const Timestamp = Type.Number({ description: 'Milliseconds since 1970-01-01T00:00:00Z' })

/** A point in time that a caller gives. A time before 2001 would be in seconds, one after 5138 in microseconds. */
export const Moment = Type.Integer({ minimum: 1e12, maximum: 1e14, description: 'Milliseconds since 1970-01-01T00:00:00Z' })

/** Claim that names a token (RFC 7519 section 4.1.7). */
export const Jti = Type.String({ minLength: 1, maxLength: 512, pattern: WELL_FORMED, description: 'Id of a token: its claim jti' })

export const Feedback = Type.String({ maxLength: 10_000, description: 'Comment of the person who answers, free text' })

export const Nullable = <T extends TSchema>(schema: T, options?: SchemaOptions) => Type.Union([schema, Type.Null()], options)

/** A position in a stream: messages of an epoch have the offsets 1, 2, 3…; another epoch means that continuity was lost. */
export const StreamPosition = Type.Object({
  epoch: Type.String({ minLength: 1, maxLength: 64 }),
  offset: Type.Integer({ minimum: 0 })
}, { additionalProperties: false, description: 'Position in a stream' })
export type StreamPosition = Static<typeof StreamPosition>

/** Position from which a client continues a stream. */
export const RecoverFrom = Type.Union([StreamPosition, Type.Literal('start')], {
  description: 'Position after which the client resumes the stream; start: resume from the oldest message kept'
})
export type RecoverFrom = Static<typeof RecoverFrom>
