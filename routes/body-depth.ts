import type { IncomingHttpHeaders } from 'node:http'
import type { preParsingHookHandler, RequestPayload } from 'fastify'
import { DepthLimit } from '../lib/protocol/depth.js'
import type { Limits } from '../lib/telemetry/limits.js'

const JSON_TYPE = /^[^;]*[/+]json\b/i

/** Applies the depth limit of frames to bodies of REST requests, before they are parsed. */
export function limitDepth (maxDepth: number, limit: Limits['depth']): preParsingHookHandler {
  const tooDeep = () => limit.refuse(maxDepth)
  return ({ headers }, _reply, payload, done) => {
    done(null, isJson(headers) ? limited(payload, new DepthLimit(maxDepth, tooDeep)) : payload)
  }
}

function isJson ({ 'content-type': type = '' }: IncomingHttpHeaders): boolean {
  return JSON_TYPE.test(type)
}

function limited (payload: RequestPayload, limit: DepthLimit): RequestPayload {
  // Fastify removes its error listener once a body exceeds the limit; without this one the error would be uncaught.
  limit.on('error', () => {})
  payload.on('error', (error) => limit.destroy(error))
  // Length of the body on the wire, set by plugins that decompress it.
  return Object.defineProperty(payload.pipe(limit), 'receivedEncodedLength', { get: () => payload.receivedEncodedLength })
}
