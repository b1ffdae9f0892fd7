import type { FrameId } from '../../schemas/fields.js'
import type { AnySchema, StaticOf } from '../any-schema.js'
import type { Register } from '../register.js'

/** The contract that {@link Register} names; never without one. */
type Registered = Register extends { contract: infer C } ? C : never
/** A part of it by name; empty where it has none. */
type Part<P extends string> = [Registered] extends [never] ? {} : Registered extends { [K in P]: infer M extends object } ? M : {}

type Messages = Part<'messages'>
type Calls = Part<'calls'>
type Kinds = Part<'confirmations'>
type Channels = Part<'channels'>

/** Yes where {@link Register} names a contract, else No. */
export type IfContract<Yes, No> = Register extends { contract: object } ? Yes : No

// Tables: the compiler looks up a type in them ten times as fast as it infers one for all messages or calls. Objects are made in them, so
// that an editor shows their fields.
type MessagesByType = {
  [T in keyof Messages]: Messages[T] extends AnySchema ? { type: T } & StaticOf<Messages[T]> extends infer M ? { [F in keyof M]: M[F] } : never : never
}
type MessageOf<T extends keyof Messages> = MessagesByType[T]

/** A message that the server sends: one of the contract; without a contract any object. */
export type ServerMessage = IfContract<MessageOf<keyof Messages>, object>

/** Names that match a pattern: each `*` stands for any text. */
type Matching<P extends string> = P extends `${infer Head}*${infer Tail}` ? `${Head}${string}${Matching<Tail>}` : P
/** Types of the messages that the rules of a channel allow; never if no rule names any. */
type AllowedIn<N extends string> = {
  [P in keyof Channels & string]: N extends Matching<P> ? Channels[P] extends { messages: readonly (infer T)[] } ? T : never : never
}[keyof Channels & string]

/**
 * A message that may be sent in a channel: one that a rule of the contract for the channel names; any of the contract if none does. Types
 * know no order of the rules, so of several rules these are the messages of all; at run time the last one decides.
 */
export type ChannelMessage<N extends string> = IfContract<
  [AllowedIn<N>] extends [never] ? ServerMessage : string extends N ? ServerMessage : MessageOf<AllowedIn<N> & keyof Messages>, object>

/** A call of the contract; never without one. */
export type CallType = keyof Calls & string

type StaticIn<O, K extends string, None> = O extends { [P in K]: infer S extends AnySchema } ? StaticOf<S> : None

type DataOfCalls = { [T in CallType]: StaticIn<Calls[T], 'data', object> }
type RepliesOfCalls = { [T in CallType]: StaticIn<Calls[T], 'reply', unknown> }
type DataOfKinds = { [K in QuestionKind]: StaticIn<Kinds[K], 'data', undefined> }
type AnswersOfKinds = { [K in QuestionKind]: StaticIn<Kinds[K], 'answer', unknown> }

type MessagesOfCalls = {
  [T in CallType]: DataOfCalls[T] & { type: T, id?: FrameId } & (CallChannel<T> extends string ? { channel: string } : unknown) extends infer M
    ? { [F in keyof M]: M[F] }
    : never
}

/** The message of a call: its data, type and id, and for a call of channels the channel. */
export type CallMessage<T extends CallType> = MessagesOfCalls[T]
/** Data of a call's reply; unknown: anything. */
export type CallReply<T extends CallType> = RepliesOfCalls[T]
/** Channel pattern of a call; undefined: it has none. */
export type CallChannel<T extends CallType> = Calls[T] extends { channel: infer C extends string } ? C : undefined

/** A kind of question of the contract; never without one. */
export type QuestionKind = keyof Kinds & string
/** Facts that a question of a kind shows; undefined: it has none. */
export type QuestionData<K extends QuestionKind> = DataOfKinds[K]
/** Answer to a question of a kind; unknown: any. */
export type QuestionAnswer<K extends QuestionKind> = AnswersOfKinds[K]
