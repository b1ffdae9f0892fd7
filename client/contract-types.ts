import type { AnySchema, StaticOf } from '../lib/any-schema.js'

type Part<C, P extends string> = C extends { [K in P]: infer M extends object } ? M : {}
type In<O, K extends string, None> = O extends { [P in K]: infer S extends AnySchema } ? StaticOf<S> : None
/** Yes where `C` is a contract; No where the client has none. */
type If<C, Yes, No> = unknown extends C ? No : Yes

/** Fields that the server adds to a message. */
export interface Envelope {
  /** The client that sent it; missing on messages of the server. */
  from?: { client_id: string, user_id: string | null }
}

/** Type of a message that the server sends. */
export type MessageType<C> = If<C, keyof Part<C, 'messages'> & string, string>
/** A message of a type. Without a contract its fields are `any`. */
export type MessageOf<C, T extends string> = If<C,
  (T extends keyof Part<C, 'messages'> ? Part<C, 'messages'>[T] extends infer S extends AnySchema ? StaticOf<S> : never : never) & { type: T } & Envelope,
  { type: T, [field: string]: any } & Envelope>
/** Any message. */
export type Message<C> = If<C, { [T in MessageType<C>]: MessageOf<C, T> }[MessageType<C>], { type: string, [field: string]: any } & Envelope>

/** Type of a call. */
export type CallType<C> = If<C, keyof Part<C, 'calls'> & string, string>
type CallOf<C, T> = T extends keyof Part<C, 'calls'> ? Part<C, 'calls'>[T] : never
/** The fields of a call. */
export type CallData<C, T extends string> = If<C, In<CallOf<C, T>, 'data', {}>, object>
/** Reply of a call. */
export type CallReply<C, T extends string> = If<C, In<CallOf<C, T>, 'reply', unknown>, any>
/** Type of a call that belongs to channels. */
export type ChannelCallType<C> = If<C, { [T in CallType<C>]: CallOf<C, T> extends { channel: string } ? T : never }[CallType<C>], string>
/** Type of a call that does not. */
export type PlainCallType<C> = If<C, Exclude<CallType<C>, ChannelCallType<C>>, string>

/** Kind of a question to people. */
export type QuestionKind<C> = If<C, keyof Part<C, 'confirmations'> & string, string>
type KindOf<C, K> = K extends keyof Part<C, 'confirmations'> ? Part<C, 'confirmations'>[K] : never
/** The facts that a question shows. */
export type QuestionData<C, K extends string> = If<C, In<KindOf<C, K>, 'data', undefined>, any>
/** The answer that a question takes. */
export type QuestionAnswer<C, K extends string> = If<C, In<KindOf<C, K>, 'answer', unknown>, any>

/** Names that match a pattern: each `*` stands for any text. */
type Matching<P extends string> = P extends `${infer Head}*${infer Tail}` ? `${Head}${string}${Matching<Tail>}` : P
type AllowedIn<C, N extends string> = {
  [P in keyof Part<C, 'channels'> & string]: N extends Matching<P> ? Part<C, 'channels'>[P] extends { messages: readonly (infer T)[] } ? T & string : never : never
}[keyof Part<C, 'channels'> & string]
/** Type of a message that is sent in a channel: one that the contract names for it, or any where it names none. */
export type ChannelMessageType<C, N extends string> = If<C, [AllowedIn<C, N>] extends [never] ? MessageType<C> : string extends N ? MessageType<C> : AllowedIn<C, N> & MessageType<C>, string>
