import type { TSchema } from '@sinclair/typebox'
import { ErrorBody } from '../schemas/rest.js'

/**
 * The answers of a route for callers who are known: what it answers when all is well, and the faults that it can have. One
 * fault they all have: too many requests of one caller.
 */
export function answers<T extends TSchema, S extends number> (ok: T, ...statuses: S[]): { 200: T } & Record<S | 429, typeof ErrorBody> {
  return { 200: ok, ...faults<S | 429>(...statuses, 429) }
}

export function faults<S extends number> (...statuses: S[]): Record<S, typeof ErrorBody> {
  return Object.fromEntries(statuses.map((status) => [status, ErrorBody])) as Record<S, typeof ErrorBody>
}

/** What the OpenAPI page files the routes under. */
export const tags = ['ws']
