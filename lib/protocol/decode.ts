import type { Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { BadFrameError, BadJsonError } from '../errors.js'
import type { Limits } from '../telemetry/limits.js'
import { RecoverQuery } from '../../schemas/frames/client.js'
import { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, OPEN_BRACE, OPEN_BRACKET, QUOTE, isJsonDeeperThan } from './depth.js'
import { below, faultsOf, invalidMessage } from '../validation/faults.js'

/** A client's frame: any object whose `type` is a string. `action` (row A6) stands in where there is no `type`. */
export interface ClientMessage {
  type: string
  id?: string | number
  [field: string]: unknown
}

const checkPositions = TypeCompiler.Compile(RecoverQuery)
const COLON = /\s*:\s*/y
const NUMBER = /[-+.\deE]{1,32}/y

/**
 * Parses one text frame, which must be an object. Depth is checked before anything is built from the text.
 *
 * @throws WSM_ERR_TOO_DEEP, WSM_ERR_BAD_JSON, WSM_ERR_BAD_FRAME
 */
export function decode (json: string, maxDepth: number, limit: Limits['depth']): Record<string, unknown> {
  if (isJsonDeeperThan(json, maxDepth)) throw limit.refuse(maxDepth)
  let message
  try {
    message = JSON.parse(json)
  } catch {
    throw new BadJsonError()
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) throw new BadFrameError()
  return message
}

/**
 * Makes `action` the `type` where there is none, and checks the rules for every frame. Beside a `type`, `action` is a field like others.
 *
 * @param json the text of the message
 * @throws WSM_ERR_BAD_FRAME, WSM_ERR_INVALID_MESSAGE
 */
export function assertFrame (message: Record<string, unknown>, json: string): asserts message is ClientMessage {
  if (message.type === undefined || message.type === null) {
    message.type = message.action
    delete message.action
  }
  if (typeof message.type !== 'string') throw new BadFrameError()
  // Harmless here, but not in an app that merges the message into another object. Fastify refuses the same in bodies.
  // Such a key appears in plain text, or with an escape for an ASCII character: only then are the keys searched.
  if ((json.includes('__proto__') || json.includes('constructor') || json.includes('\\u00')) && reachesPrototypes(message)) {
    throw invalidMessage([{ path: '', message: 'A key must not be "__proto__", nor "prototype" below "constructor"' }])
  }
}

/** Returns the correlation id of a frame, where it can be sent back. */
export function frameId (message: Readonly<Record<string, unknown>>): string | number | undefined {
  const { id } = message
  return typeof id === 'string' || (typeof id === 'number' && Math.abs(id) <= Number.MAX_SAFE_INTEGER) ? id : undefined
}

/**
 * Finds the correlation id of a frame that is refused unread. Builds nothing of the rest, which takes a half to a fifth of the time of
 * parsing and no memory.
 */
export function peekId (json: string): string | number | undefined {
  let depth = 0
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i)
    if (char === QUOTE) {
      const end = endOfString(json, i)
      if (depth === 1 && end === i + 3 && json.startsWith('"id"', i)) {
        COLON.lastIndex = end + 1
        if (COLON.test(json)) return idAt(json, COLON.lastIndex)
      }
      i = end
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) depth++
    else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) depth--
  }
}

/**
 * Parses `?recover=` of a socket's URL.
 *
 * @throws WSM_ERR_INVALID_MESSAGE
 */
export function decodePositions (json: unknown): Static<typeof RecoverQuery> {
  // Repeated parameters arrive as a list.
  if (typeof json !== 'string') throw invalidMessage([{ path: '/recover', message: 'Expected one parameter "recover"' }])
  let positions
  try {
    positions = JSON.parse(json)
  } catch {
    throw invalidMessage([{ path: '/recover', message: 'Expected JSON' }])
  }
  if (!checkPositions.Check(positions)) throw invalidMessage(faultsOf(checkPositions, positions).map(below('/recover')))
  return positions
}

/** Returns the index of the closing quote, or the length of the text where there is none. */
function endOfString (json: string, start: number): number {
  for (let i = start + 1; i < json.length; i++) {
    const char = json.charCodeAt(i)
    if (char === QUOTE) return i
    if (char === BACKSLASH) i++
  }
  return json.length
}

function idAt (json: string, start: number): string | number | undefined {
  NUMBER.lastIndex = start
  const value = json.charCodeAt(start) === QUOTE ? json.slice(start, endOfString(json, start) + 1) : NUMBER.exec(json)?.[0]
  try {
    return frameId({ id: JSON.parse(value ?? 'null') })
  } catch {
    return undefined
  }
}

function reachesPrototypes (value: unknown): boolean {
  return isObject(value) && (Object.hasOwn(value, '__proto__') || hasPrototypeBelow(value) || Object.values(value).some(reachesPrototypes))
}

function hasPrototypeBelow (value: object): boolean {
  const { constructor } = Object.hasOwn(value, 'constructor') ? value as { constructor: unknown } : { constructor: null }
  return isObject(constructor) && Object.hasOwn(constructor, 'prototype')
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
