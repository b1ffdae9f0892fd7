import type { FastifyBaseLogger } from 'fastify'
import type { ServerFrameOf } from '../../schemas/frames/server.js'
import { InternalError } from '../errors.js'
import { EncodedMessage } from '../socket/message.js'
import type { CompiledSchema } from '../validation/compiled-schema.js'
import { faultsOf } from '../validation/faults.js'

/** The schema that a handler declares for its replies. */
export interface ReplySchema {
  /** The handler's type, for the log. */
  type: string
  check: CompiledSchema
}

/**
 * Turns a handler's result, or the argument of `context.reply()`, into the JSON that is sent, by socket and by REST. No data becomes null.
 * The schema applies to the JSON: a `Date` is text there.
 *
 * @param owner has the log for a reply that does not match the schema
 * @throws TypeError for data that JSON cannot hold (a cycle, a BigInt) or leaves out (a function, a symbol); WSM_ERR_INTERNAL for data that
 *   does not match the schema
 */
export function replyJson (data: unknown, schema: ReplySchema | null, owner: { readonly log: FastifyBaseLogger }): string {
  const json = data === undefined ? 'null' : JSON.stringify(data) as string | undefined
  if (json === undefined) throw new TypeError('The reply has no JSON: it is a function, a symbol, or its toJSON returns nothing')
  if (schema !== null) {
    const parsed = JSON.parse(json)
    if (!schema.check.Check(parsed)) {
      owner.log.error({ type: schema.type, faults: faultsOf(schema.check, parsed) }, 'a handler\'s reply does not match its schema')
      throw new InternalError()
    }
  }
  return json
}

/** Encodes a `reply` frame whose data is JSON already, so that large data is serialized once. */
export function encodeReply (id: string | number | undefined, dataJson: string): EncodedMessage {
  const envelope: Omit<ServerFrameOf<'reply'>, 'data'> = { type: 'reply', id }
  return new EncodedMessage(`${JSON.stringify(envelope).slice(0, -1)},"data":${dataJson}}`, false, true)
}
