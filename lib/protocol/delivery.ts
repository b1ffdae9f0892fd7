import type { Delivery } from '../engine/engine.js'
import { EncodedMessage } from '../socket/message.js'

/** A delivery as it goes over the wire. */
export function toMessage (delivery: Delivery): EncodedMessage {
  return new EncodedMessage(wireJson(delivery), delivery.isDroppable, delivery.isCompressible)
}

/** What the client of a delivery reads. */
export function toObject (delivery: Delivery): { type: string, [field: string]: unknown } {
  return JSON.parse(wireJson(delivery))
}

/** The JSON of a frame of the protocol, or of a client's message. */
export function toJson (frame: object): string {
  return JSON.stringify(frame)
}

/** Adds what a sender cannot set itself to a message that is JSON already. */
export function withFields (json: string, fields: object): string {
  return `${json.slice(0, -1)},${JSON.stringify(fields).slice(1)}`
}

/** With `stream` where there is a position. */
function wireJson ({ topic, json, position }: Delivery): string {
  return position === null ? json : withFields(json, { stream: { topic, epoch: position.epoch, offset: position.offset } })
}
