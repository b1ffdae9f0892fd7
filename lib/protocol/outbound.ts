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

/** Checks the app's messages: by their declared schemas, and so that none poses as a frame of the server (row H3). */
export class Outbound {
  readonly #declared = new Map<string, CompiledSchema>()
  readonly #schemas = new Map<string, TSchema>()

  /** Schemas of the declared messages by type, each with the field `type`. */
  get schemas (): ReadonlyMap<string, TSchema> {
    return this.#schemas
  }

  /**
   * Declares the messages of a type: others are refused from now on. The schema need not name `type`, as for `ws.handle()`.
   *
   * @throws WSM_ERR_INVALID_HANDLER where the type is already declared or one of the protocol's, or the schema cannot be compiled
   */
  declare (type: string, schema: unknown): void {
    if (isProtocolType(type)) throw new InvalidHandlerError(type, 'the type is reserved for the protocol')
    if (this.#declared.has(type)) throw new InvalidHandlerError(type, 'the type is already declared')
    const compiled = compileMessage(type, schema, { type: Type.Literal(type) }, false)
    this.#declared.set(type, compiled.check)
    this.#schemas.set(type, compiled.schema)
  }

  /**
   * Finds the faults of a message: no `type`, a type of the protocol, or not as declared.
   *
   * @param frame the type of the client's frame with the message, which the message may have although it is one of the protocol's
   */
  faults (message: object, frame?: string): Fault[] {
    if (!checkMessage.Check(message)) return faultsOf(checkMessage, message)
    if (isProtocolType(message.type) && message.type !== frame) return [{ path: '/type', message: 'This type is reserved for the protocol' }]
    const declared = this.#declared.get(message.type)
    return declared === undefined || declared.Check(message) ? [] : faultsOf(declared, message)
  }

  /**
   * Checks a message of the app, and returns its JSON. The check applies to that JSON: a `Date` is text there, and a `toJSON` can
   * return another message.
   *
   * @throws WSM_ERR_INVALID_MESSAGE without a `type` or with one of the protocol, with a reserved field, or not as declared; and for what JSON cannot hold
   */
  toJson (message: object): string {
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
    const faults = this.faults(sent)
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
