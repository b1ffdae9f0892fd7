import { Type, type TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { isProtocolType } from '../../schemas/frames/types.js'
import { Message, reservedFields } from '../../schemas/messages.js'
import { contractFault } from '../contract/fault.js'
import type { Belonging, PreparedContract } from '../contract/prepared.js'
import { InvalidHandlerError } from '../errors.js'
import { messageOf } from '../thrown.js'
import type { CompiledSchema } from '../validation/compiled-schema.js'
import { EncodedMessage } from '../socket/message.js'
import { compileMessage, type Refuse } from './compile.js'
import { assertAt, checkedMessage, invalidMessage, type Fault } from '../validation/faults.js'

const checkMessage = TypeCompiler.Compile(Message)

/** Checks the app's messages: by their declared schemas, and so that none poses as a frame of the server (row H3). */
export class Outbound {
  readonly #declared = new Map<string, CompiledSchema>()
  readonly #schemas = new Map<string, TSchema>()
  /** True with a contract: only declared messages are sent then. */
  readonly #isClosed: boolean
  readonly #belongings: readonly Belonging[]

  /**
   * @param contract messages, and the channels that they belong in; null: any message may be sent
   * @throws WSM_ERR_INVALID_CONTRACT for a schema that cannot be compiled or that no message of the type can match
   */
  constructor (contract: Pick<PreparedContract, 'messages' | 'belongings'> | null) {
    this.#isClosed = contract !== null
    this.#belongings = contract?.belongings ?? []
    for (const [type, schema] of contract?.messages ?? []) this.#declare(type, schema, (reason) => contractFault('messages', type, reason))
  }

  /** Schemas of the declared messages by type, each with the field `type`. */
  get schemas (): ReadonlyMap<string, TSchema> {
    return this.#schemas
  }

  /**
   * Declares the messages of a type: others are refused from now on. The schema need not name `type`, as for `ws.handle()`.
   *
   * @throws WSM_ERR_INVALID_HANDLER where the type is already declared or one of the protocol's, or the schema cannot be compiled; and with
   *   a contract, which has all messages
   */
  declare (type: string, schema: unknown): void {
    const refuse: Refuse = (reason) => new InvalidHandlerError(`The message "${type}"`, reason)
    if (this.#isClosed) throw refuse('the app has a contract, to which it must be added')
    if (isProtocolType(type)) throw refuse('the type is reserved for the protocol')
    if (this.#declared.has(type)) throw refuse('the type is already declared')
    this.#declare(type, schema, refuse)
  }

  #declare (type: string, schema: unknown, refuse: Refuse): void {
    const compiled = compileMessage(refuse, type, schema, { type: Type.Literal(type) })
    this.#declared.set(type, compiled.check)
    this.#schemas.set(type, compiled.schema)
  }

  /**
   * Checks a client's message to others, and removes its unknown fields.
   *
   * @param frame the type of the client's frame with the message, which the message may have although it is one of the protocol's
   * @throws WSM_ERR_INVALID_MESSAGE with a type of the protocol, or not as declared; paths begin with `/data`, as in the frame
   */
  relayed<T extends object> (message: T, frame: string): T {
    const declared = this.#declaredFor(message, '/data', frame)
    return declared === null ? message : checkedMessage(declared, message, '/data')
  }

  /**
   * Finds the schema that is declared for a message; null: none is.
   *
   * @param path JSON Pointer of the message in what was sent
   * @throws WSM_ERR_INVALID_MESSAGE without a `type`, with one of the protocol, or with a contract not declared at all
   */
  #declaredFor (message: object, path: string, frame?: string): CompiledSchema | null {
    assertAt(checkMessage, message, path)
    const { type } = message as Message
    const declared = this.#declared.get(type) ?? null
    if (isProtocolType(type) && type !== frame) throw invalidMessage([{ path: `${path}/type`, message: 'This type is reserved for the protocol' }])
    if (declared === null && this.#isClosed) throw invalidMessage([{ path: `${path}/type`, message: `"${type}" is not a message of the contract` }])
    return declared
  }

  /** Finds out whether a message belongs in a channel: the last rule of the contract that matches the channel's name and has messages decides. */
  faultsIn (channel: string, { type }: { type: string }): Fault[] {
    const rule = this.#belongings.findLast(({ matches }) => matches(channel))
    return rule === undefined || rule.types.has(type) ? [] : [{ path: '/type', message: `"${type}" does not belong in channel "${channel}" by the contract` }]
  }

  /**
   * Checks a message of the app, and returns its JSON. The check applies to that JSON: a `Date` is text there, and a `toJSON` can
   * return another message.
   *
   * @param channel where it is sent; null: not in a channel
   * @throws WSM_ERR_INVALID_MESSAGE without a `type` or with one of the protocol, with a reserved field, or not as declared; and for what JSON cannot hold
   */
  toJson (message: object, channel: string | null = null): string {
    let json: string | undefined
    let hidden: string | undefined
    try {
      json = JSON.stringify(message)
      // Also a field that JSON leaves out: the app meant to send it.
      hidden = reservedFields.find((field) => field in Object(message))
    } catch (error) {
      throw invalidMessage([{ path: '', message: `It cannot be sent as JSON: ${messageOf(error)}` }])
    }
    const sent = json === undefined ? undefined : JSON.parse(json)
    const declared = this.#declaredFor(sent, '')
    if (declared !== null) assertAt(declared, sent, '')
    const faults = channel === null ? [] : this.faultsIn(channel, sent)
    if (faults.length > 0) throw invalidMessage(faults)
    const reserved = reservedFields.find((field) => Object.hasOwn(sent, field)) ?? hidden
    if (reserved !== undefined) {
      throw invalidMessage([{ path: `/${reserved}`, message: 'Only the server can set this field' }])
    }
    return json!
  }

  /** Encodes a message for one socket. @throws as `toJson` */
  encodeMessage (message: object): EncodedMessage {
    return new EncodedMessage(this.toJson(message), true, true)
  }
}
