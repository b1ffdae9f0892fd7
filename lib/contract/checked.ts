import type { AnySchema, StaticOf } from '../any-schema.js'
import type { reservedFields } from '../../schemas/messages.js'
import type { CallContract, ChannelContract, ConfirmationContract, ContractParts } from './parts.js'

type Reserved = typeof reservedFields[number]
type Names<C extends ContractParts, P extends keyof ContractParts> = C[P] extends object ? keyof C[P] & string : never
/** The fields of an entry that its interface does not know. */
type Misspelt<E, Known> = Exclude<keyof E, Known> & string
/** The named fields of each form of a message. */
type FieldsOf<M> = M extends unknown ? string extends keyof M ? never : keyof M : never

/** The message itself if it may be sent; else a text that says why not, which the compiler shows. */
type CheckedMessage<T, S> = T extends `${string}.${string}`
  ? S extends AnySchema
    ? StaticOf<S> extends object
      ? FieldsOf<StaticOf<S>> & Reserved extends never
        ? StaticOf<S> extends { type: infer O } ? T extends O ? S : `a schema whose "type" can be "${T}"` : S
        : `a schema without the field "${FieldsOf<StaticOf<S>> & Reserved & string}", which only the server sets`
      : 'a schema of objects: every message is one'
    : S
  : 'a name with a namespace, like "chat.message"'

type CheckedCall<T, K> = T extends `${string}.${string}`
  ? keyof K extends keyof CallContract
    ? K extends { channel: string, rest: true } ? 'a call with a channel or with rest, not with both' : K extends { data: infer S extends AnySchema } ? CheckedData<K, FieldsOf<StaticOf<S>>> : K
    : `a call without the field "${Misspelt<K, keyof CallContract>}", which calls do not have`
  : 'a name with a namespace, like "chat.send"'

type FrameField<K> = 'id' | 'type' | 'idempotency_key' | (K extends { channel: string } ? 'channel' : never)
type CheckedData<K, Fields> = [Fields & FrameField<K>] extends [never] ? K : { data: `a schema without the field "${Fields & FrameField<K> & string}", which is the frame's` }

type CheckedKind<T, K> = T extends `${string}.${string}`
  ? keyof K extends keyof ConfirmationContract ? K : `a kind without the field "${Misspelt<K, keyof ConfirmationContract>}", which kinds do not have`
  : 'a name with a namespace, like "train.failed"'

type CheckedChannel<C extends ContractParts, R> = keyof R extends keyof ChannelContract
  ? R extends { messages: readonly (infer M)[] } ? [M] extends [Names<C, 'messages'>] ? R : { messages: readonly Names<C, 'messages'>[] } : R
  : `a rule without the field "${Misspelt<R, keyof ChannelContract>}", which rules do not have`

/** A contract whose faults are of a type that nothing has, with a text that says what is expected there. */
export type Checked<C extends ContractParts> = KnownParts<C> & CheckedParts<C>

/** Refuses parts that no contract has. */
export type KnownParts<C> = string extends keyof C ? unknown : { [P in Exclude<keyof C, keyof ContractParts>]: `no part "${P & string}": only messages, calls, confirmations and channels` }

/** The entries of each part. */
export interface CheckedParts<C extends ContractParts> {
  messages?: { [T in keyof C['messages']]: CheckedMessage<T, C['messages'][T]> }
  calls?: { [T in keyof C['calls']]: CheckedCall<T, C['calls'][T]> }
  confirmations?: { [T in keyof C['confirmations']]: CheckedKind<T, C['confirmations'][T]> }
  channels?: { [N in keyof C['channels']]: CheckedChannel<C, C['channels'][N]> }
}

/** A contract in which a missing part is empty. */
export interface Whole<C extends ContractParts> {
  messages: C extends { messages: infer M extends object } ? M : {}
  calls: C extends { calls: infer M extends object } ? M : {}
  confirmations: C extends { confirmations: infer M extends object } ? M : {}
  channels: C extends { channels: infer M extends object } ? M : {}
}
