import { Type, type TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { isProtocolType } from '../../schemas/frames/types.js'
import { Message, reservedFields } from '../../schemas/messages.js'
import { InvalidHandlerError } from '../errors.js'
import { messageOf } from '../thrown.js'
import type { CompiledSchema } from '../validation/compiled-schema.js'
import { EncodedMessage } from '../socket/message.js'
import { compileMessage } from './compile.js'
import { faultsOf, invalidMessage, type Fault } from '../validation/faults.js'

const checkMessage = TypeCompiler.Compile(Message)

/** What the app sends: declared schemas are checked here, and nothing can pretend to be the server's own (row H3). */
export class Outbound {
  readonly #declared = new Map<string, CompiledSchema>()

  /**
   * From now on messages of this type are refused unless they match. The schema need not name `type`, as for `ws.handle()`.
   *
   * @throws WSM_ERR_INVALID_HANDLER where the type is declared already or one of the protocol's, or the schema cannot be compiled
   */
  declare (type: string, schema: TSchema): void {
    if (isProtocolType(type)) throw new InvalidHandlerError(type, 'it is a type of the protocol')
    if (this.#declared.has(type)) throw new InvalidHandlerError(type, 'its messages are declared already')
    this.#declared.set(type, compileMessage(type, schema, { type: Type.Literal(type) }, false).check)
  }

  /**
   * Finds the faults of a message: no `type`, a type of the protocol, or not as declared.
   *
   * @param frame the protocol's type that it may have: that of the client's frame that brought it
   */
  faults (message: object, frame?: string): Fault[] {
    if (!checkMessage.Check(message)) return faultsOf(checkMessage, message)
    if (isProtocolType(message.type) && message.type !== frame) return [{ path: '/type', message: 'This type is one of the protocol' }]
    const declared = this.#declared.get(message.type)
    return declared === undefined || declared.Check(message) ? [] : faultsOf(declared, message)
  }

  /**
   * Checks a message of the app, and makes it what is published. Checked is the JSON that is sent: a `Date` is text there, and a
   * `toJSON` may have made another message of it.
   *
   * @throws WSM_ERR_INVALID_MESSAGE without a `type` or with one of the protocol, with a reserved field, or not as declared; and for what JSON cannot hold
   */
  toJson (message: object): string {
    let json: string | undefined
    let hidden: string | undefined
    try {
      json = JSON.stringify(message)
      // Also one that JSON leaves out: it was meant to be there.
      hidden = reservedFields.find((field) => field in Object(message))
    } catch (error) {
      throw invalidMessage([{ path: '', message: `It cannot be sent as JSON: ${messageOf(error)}` }])
    }
    const sent = json === undefined ? undefined : JSON.parse(json)
    const faults = this.faults(sent)
    if (faults.length > 0) throw invalidMessage(faults)
    const reserved = reservedFields.find((field) => Object.hasOwn(sent, field)) ?? hidden
    if (reserved !== undefined) {
      throw invalidMessage([{ path: `/${reserved}`, message: 'Only the server can set this field' }])
    }
    return json!
  }

  /** The same, for one socket. @throws as `toJson` */
  encode (message: object): EncodedMessage {
    return new EncodedMessage(this.toJson(message), true, true)
  }
}
