import { Type, type TSchema } from '@sinclair/typebox'
import { ChannelName, FrameId } from '../../schemas/fields.js'
import { namePattern } from '../name-pattern.js'
import type { CompiledSchema } from '../validation/compiled-schema.js'
import { invalidMessage } from '../validation/faults.js'
import { compile, compileMessage, type Refuse } from './compile.js'
import type { ReplySchema } from './reply.js'

/** What a call is like on the wire, compiled. */
export interface CallForm {
  /** Schema of the whole frame, for documents. */
  schema: TSchema
  check: CompiledSchema
  /** Schema of the replies, for documents. */
  reply: TSchema
  /** The same, compiled; null: none was given. */
  replySchema: ReplySchema | null
  isRest: boolean
  /** Pattern of the channels whose members may send it; null: it is for no channel. */
  channel: string | null
  /** Returns a message's channel, and refuses one that does not match the call's pattern; null: the call is for no channel. */
  channelOf: ((message: { channel?: unknown }) => string) | null
}

/** The parts of a call's form, with schemas of any kind. */
export interface CallParts { data: unknown, reply: unknown, isRest: boolean, channel: string | undefined }

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
  const { schema, check } = compileMessage(refuse, type, data, envelope, dataPart)
  const replies = reply === undefined ? null : compile(refuse, reply, 'reply')
  return {
    schema,
    check,
    reply: replies?.schema ?? Type.Unknown(),
    replySchema: replies === null ? null : { type, check: replies.check },
    isRest,
    channel: channel ?? null,
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
