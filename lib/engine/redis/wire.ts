import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { Jti, Nullable, UserId } from '../../../schemas/fields.js'
import { ConfirmationRecord, ConfirmationOutcome, AnsweredBy } from '../../../schemas/records.js'
import type { User } from '../../user.js'
import type { Delivery, StreamPosition, Publication } from '../engine.js'
import type { NumberedChange } from './roster.js'

/*
 * Format of data in Redis. A publication is two lines: `[epoch, offset, flags, except]` and the message unchanged. Its tail,
 * which the log stores, begins after the offset; scripts prepend the rest. Between nodes the prefix `<layout> <segment> <number>
 * ` precedes it: see `lineage.ts`.
 */

/**
 * Layout of keys and of messages between nodes. Layout 1 has no name and no lanes: its nodes treat a publication with such a
 * prefix as malformed. See `layouts.ts`.
 */
export const LAYOUT = '2'
/** Layouts that this version understands. */
export const LAYOUTS: readonly string[] = ['1', LAYOUT]
/** Matches possible names of other layouts. */
const LAYOUT_NAME = /^[1-9]\d{0,3}$/

/** Position of a message in its lane. */
export interface Sighting { segment: string, number: number }

const DROPPABLE = 1
const COMPRESSIBLE = 2

const Head = Type.Tuple([
  Type.Union([Type.String({ minLength: 1 }), Type.Null()]),
  Type.Integer({ minimum: 0 }),
  Type.Integer({ minimum: 0, maximum: 3 }),
  Type.Union([Type.Array(Type.String()), Type.Null()])
])
const Layout = Type.Optional(Type.Union(LAYOUTS.map((name) => Type.Literal(name))))
const Change = Type.Object({
  layout: Layout, number: Type.Integer(), channel: Type.String(), kind: Type.Union([Type.Literal('joined'), Type.Literal('left')]), user_id: Type.String()
})
const ClusterRequest = Type.Object({ layout: Layout, id: Type.String(), from: Type.String(), kind: Type.String(), data: Type.Unknown() })
const ClusterResponse = Type.Object({ layout: Layout, id: Type.String(), from: Type.String(), ok: Type.Boolean(), data: Type.Unknown() })
const Settlement = Type.Object({
  outcome: ConfirmationOutcome,
  proceed: Type.Boolean(),
  feedback: Type.Optional(Type.String()),
  answer: Type.Optional(Type.Unknown()),
  answered_by: Type.Union([AnsweredBy, Type.Null()])
})
const Ended = Type.Object({ record: ConfirmationRecord, settlement: Settlement, at: Type.Integer() })

const Moment = Type.Union([Type.Number(), Type.Null()])
const Holder = Type.Object({
  id: UserId, claims: Type.Record(Type.String(), Type.Unknown()), expiresAt: Moment, issuedAt: Moment, jti: Nullable(Jti)
})

export type ClusterRequest = Static<typeof ClusterRequest>
export type ClusterResponse = Static<typeof ClusterResponse>
export type Ended = Static<typeof Ended>

const checkHead = TypeCompiler.Compile(Head)
const checkChange = TypeCompiler.Compile(Change)
const checkRequest = TypeCompiler.Compile(ClusterRequest)
const checkResponse = TypeCompiler.Compile(ClusterResponse)
const checkEnded = TypeCompiler.Compile(Ended)
const checkRecord = TypeCompiler.Compile(ConfirmationRecord)
const checkSettlement = TypeCompiler.Compile(Settlement)
const checkHolder = TypeCompiler.Compile(Holder)

export function tailOf ({ json, isDroppable, isCompressible, except }: Publication): string {
  const flags = (isDroppable ? DROPPABLE : 0) | (isCompressible ? COMPRESSIBLE : 0)
  return `${flags},${except === undefined ? 'null' : JSON.stringify(except)}]\n${json}`
}

/** Encodes anything that is written into a key or sent between nodes. */
export function encode (value: unknown): string {
  return JSON.stringify(value)
}

/** Decodes a user that `encode` has written into one of our own keys. */
export function decodeUser (json: string): string {
  return String(parsed(json))
}

/** Decodes the owner of a ticket. */
export function decodeHolder (json: string): User | null {
  return parse(checkHolder, json)
}

/** Decodes a message on a topic's channel; null if no node of a known layout can have sent it. Hot: runs for every message. */
export function decode (topic: string, payload: string): { delivery: Delivery, sighting: Sighting | null } | { change: NumberedChange } | null {
  if (payload.startsWith('{')) {
    const change = parse(checkChange, payload)
    return change === null ? null : { change }
  }
  const at = payload.indexOf('[')
  const sighting = at === 0 ? null : sightingOf(payload.slice(0, at))
  const delivery = sighting === undefined ? null : deliveryOf(topic, payload.slice(at))
  return delivery === null ? null : { delivery, sighting: sighting! }
}

/** undefined: not a layout that this version knows. */
function sightingOf (mark: string): Sighting | undefined {
  const [layout, segment, number] = mark.split(' ')
  return layout === LAYOUT && segment !== undefined && number !== undefined ? { segment, number: Number(number) } : undefined
}

/** Returns the layout named by a message that could not be decoded, if this version does not know it. */
export function unknownLayoutOf (payload: string): string | null {
  const name = payload.startsWith('{') ? (parsed(payload) as { layout?: unknown } | undefined)?.layout : payload.slice(0, Math.max(0, payload.indexOf(' ')))
  return typeof name === 'string' && LAYOUT_NAME.test(name) && !LAYOUTS.includes(name) ? name : null
}

/** Decodes an entry of the log; null as for `decode`. */
export function decodeEntry (topic: string, { epoch, offset }: StreamPosition, tail: string): Delivery | null {
  return deliveryOf(topic, `["${epoch}",${offset},${tail}`)
}

export function decodeRequest (payload: string): ClusterRequest | null {
  return parse(checkRequest, payload)
}

export function decodeResponse (payload: string): ClusterResponse | null {
  return parse(checkResponse, payload)
}

export function decodeEnded (payload: string): Ended | null {
  return parse(checkEnded, payload)
}

/** Combines a stored question: the record as stored, how it ended, and when. */
export function decodeRecord (record: string, settlement: string | null, at: string | null): ConfirmationRecord | null {
  const stored = parse(checkRecord, record)
  if (stored === null || settlement === null) return stored
  const end = parse(checkSettlement, settlement)
  return end === null ? null : endedRecord({ record: stored, settlement: end, at: Number(at) })
}

export function endedRecord ({ record, settlement: { outcome, ...answer }, at }: Ended): ConfirmationRecord {
  return { ...record, ...answer, status: outcome, settled_at: at }
}

function deliveryOf (topic: string, line: string): Delivery | null {
  const end = line.indexOf('\n')
  const head = parse(checkHead, line.slice(0, Math.max(0, end)))
  const json = line.slice(end + 1)
  if (head === null || !isMessage(json)) return null
  const [epoch, offset, flags, except] = head
  return {
    topic,
    json,
    isDroppable: (flags & DROPPABLE) !== 0,
    isCompressible: (flags & COMPRESSIBLE) !== 0,
    ...(except !== null && { except }),
    position: epoch === null ? null : { epoch, offset }
  }
}

function isMessage (json: string): boolean {
  const message = parsed(json)
  return typeof message === 'object' && message !== null && !Array.isArray(message)
}

function parse<S extends TSchema> (check: TypeCheck<S>, json: string): Static<S> | null {
  const value = parsed(json)
  return check.Check(value) ? value : null
}

function parsed (json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
