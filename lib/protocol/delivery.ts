import type { Delivery } from '../engine/engine.js'
import { EncodedMessage } from '../socket/message.js'

/** Encodes a delivery for the wire. */
export function toMessage (delivery: Delivery): EncodedMessage {
  return new EncodedMessage(wireJson(delivery), delivery.isDroppable, delivery.isCompressible)
}

/** Returns the message that a client reads. */
export function toObject (delivery: Delivery): { type: string, [field: string]: unknown } {
  return JSON.parse(wireJson(delivery))
}

/** Serializes a frame of the protocol, or a client's message. */
export function toJson (frame: object): string {
  return JSON.stringify(frame)
}

/** Adds fields that only the server sets to a message that is JSON already. */
export function withFields (json: string, fields: object): string {
  return `${json.slice(0, -1)},${JSON.stringify(fields).slice(1)}`
}

/** Adds `stream`: the topic, and the position where there is one. A message that is in no stream has the topic ''. */
function wireJson ({ topic, json, position }: Delivery): string {
  return topic === '' ? json : withFields(json, { stream: position === null ? { topic } : { topic, epoch: position.epoch, offset: position.offset } })
}
