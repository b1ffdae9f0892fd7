import type { TSchema } from '@sinclair/typebox'
import { ErrorBody } from '../schemas/rest.js'

/**
 * Makes the response schemas of a route for identified callers: success, and the given error statuses. 429 is always among them: too
 * many requests of one caller.
 */
export function answers<T extends TSchema, S extends number> (ok: T, ...statuses: S[]): { 200: T } & Record<S | 429, typeof ErrorBody> {
  return { 200: ok, ...faults<S | 429>(...statuses, 429) }
}

/** Makes the response schemas of error statuses. */
export function faults<S extends number> (...statuses: S[]): Record<S, typeof ErrorBody> {
  return Object.fromEntries(statuses.map((status) => [status, ErrorBody])) as Record<S, typeof ErrorBody>
}

/** Tags of the routes in OpenAPI. */
export const tags = ['ws']
