import type { AnySchema } from '../any-schema.js'
import type { ChannelRule } from '../channel-rule.js'

/** A call: what clients send, and what they get back. */
export interface CallContract {
  /** The message's own fields, without `type` and `id`, and for a call with a channel without `channel`. Default: the call has none. */
  data?: AnySchema | undefined
  /** Data of the reply, as JSON. Default: anything that JSON can hold. */
  reply?: AnySchema | undefined
  /** Also serve `POST <path>/call/<type>`; default false. */
  rest?: boolean | undefined
  /** Pattern of the channels whose members may call it (row H5); default: it is for no channel. */
  channel?: string | undefined
}

/** A kind of question to people. */
export interface ConfirmationContract {
  /** Facts shown beside the question. Default: it has none, and any are refused. */
  data?: AnySchema | undefined
  /** Answer of a person who proceeds. Default: any answer is valid. */
  answer?: AnySchema | undefined
}

/** Channels whose names match a pattern, in which `*` stands for any text. */
export interface ChannelContract extends ChannelRule {
  /** The only messages that are sent there, where no later rule that matches the channel has others. Default: all of the contract. */
  messages?: readonly string[] | undefined
}

/** The parts of a contract, each by name. Names of messages, calls and confirmations are namespaced: `chat.message`. */
export interface ContractParts {
  /** Messages that the server sends; `type` need not be named in the schemas. Default: none. */
  messages?: { readonly [type: string]: AnySchema }
  /** Calls that clients make. Default: none. */
  calls?: { readonly [type: string]: CallContract }
  /** Kinds of questions to people. Default: none. */
  confirmations?: { readonly [kind: string]: ConfirmationContract }
  /** Rules by channel pattern, as in the option `channels`, and the messages that belong there. Default: none. */
  channels?: { readonly [pattern: string]: ChannelContract }
}

/** A contract with all its parts. */
export type Contract = Required<ContractParts>
