import { Type, type TSchema } from '@sinclair/typebox'
import { ChannelName, FrameId } from '../../schemas/fields.js'
import { namePattern } from '../name-pattern.js'
import type { CompiledSchema } from '../validation/compiled-schema.js'
import { invalidMessage } from '../validation/faults.js'
import { compile, compileMessage, type Refuse } from './compile.js'
import type { ReplySchema } from './reply.js'

/** What a call is like on the wire, compiled. */
export interface CallForm {
  /** Schema of the whole frame. */
  schema: TSchema
  check: CompiledSchema
  /** Schema of the replies, as it was given. */
  reply: TSchema
  /** The same, compiled; null: none was given. */
  replySchema: ReplySchema | null
  isRest: boolean
  /** Returns a message's channel, and refuses one that does not match the call's pattern; null: the call is for no channel. */
  channelOf: ((message: { channel?: unknown }) => string) | null
}

/** The parts of a call's form. */
export interface CallParts { data: TSchema, reply: TSchema | null, isRest: boolean, channel: string | undefined }

/**
 * Compiles the form of a call.
 *
 * @param dataPart name of the data's schema in errors
 * @throws what `refuse` makes: for a schema that cannot be compiled or that no message of the type can match, and for a bad pattern of
 *   channels or one together with REST
 */
export function formOf (refuse: Refuse, type: string, { data, reply, isRest, channel }: CallParts, dataPart: string): CallForm {
  if (channel !== undefined && isRest) throw refuse('a handler of channels cannot be called by REST, which has no socket')
  const channelOf = channel === undefined ? null : channelReader(refuse, channel)
  const envelope = { type: Type.Optional(Type.Literal(type)), id: Type.Optional(FrameId), ...channelOf === null ? {} : { channel: ChannelName } }
  const { schema, check } = compileMessage(refuse, type, data, envelope, true, dataPart)
  return {
    schema,
    check,
    reply: reply ?? Type.Unknown(),
    replySchema: reply === null ? null : { type, check: compile(refuse, reply, 'reply') },
    isRest,
    channelOf
  }
}

function channelReader (refuse: Refuse, pattern: string): CallForm['channelOf'] {
  const matches = namePattern(pattern)
  if (matches === null) throw refuse(`"${pattern}" is not a valid channel pattern: use up to 200 characters, with * for any text`)
  return ({ channel }) => {
    if (typeof channel === 'string' && matches(channel)) return channel
    throw invalidMessage([{ path: '/channel', message: `Expected a channel "${pattern}"` }])
  }
}
