import type { AnySchema, StaticOf } from '../any-schema.js'
import type { reservedFields } from '../../schemas/messages.js'
import type { ContractParts } from './parts.js'

type Reserved = typeof reservedFields[number]
type Names<C extends ContractParts, P extends keyof ContractParts> = C[P] extends object ? keyof C[P] & string : never

/** The message itself if it may be sent; else a text that says why not, which the compiler shows. */
type CheckedMessage<T, S> = T extends `${string}.${string}`
  ? S extends AnySchema
    ? StaticOf<S> extends object
      ? keyof StaticOf<S> & Reserved extends never
        ? StaticOf<S> extends { type: infer O } ? T extends O ? S : `a schema whose "type" can be "${T}"` : S
        : `a schema without the field "${keyof StaticOf<S> & Reserved & string}", which only the server sets`
      : 'a schema of objects: every message is one'
    : S
  : 'a name with a namespace, like "chat.message"'

type CheckedCall<T, K> = T extends `${string}.${string}`
  ? K extends { channel: string, rest: true } ? 'a call with a channel or with rest, not with both' : K
  : 'a name with a namespace, like "chat.send"'

type CheckedKind<T, K> = T extends `${string}.${string}` ? K : 'a name with a namespace, like "train.failed"'

type CheckedChannel<C extends ContractParts, R> = R extends { messages: readonly (infer M)[] }
  ? [M] extends [Names<C, 'messages'>] ? R : { messages: readonly Names<C, 'messages'>[] }
  : R

/** A contract whose faults are of a type that nothing has, with a text that says what is expected there. */
export interface Checked<C extends ContractParts> {
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
