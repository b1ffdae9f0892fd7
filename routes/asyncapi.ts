import { Type } from '@sinclair/typebox'
import type { Description } from '../lib/asyncapi/description.js'
import type { Access } from './access.js'
import { answers, tags } from './answers.js'
import { JsonText } from './json-answer.js'
import type { Scope } from './scope.js'

/** The parts that the route of the AsyncAPI document needs. */
export interface AsyncApiParts { access: Access, description: Pick<Description, 'json'> }

const Document = Type.Object({
  asyncapi: Type.Literal('3.0.0')
}, { additionalProperties: true, description: 'AsyncAPI document: frames of the protocol, messages and calls of the app' })

/**
 * Registers the route of the AsyncAPI document. By default it is public like the pages of OpenAPI: it contains schemas and no data. It names
 * the server as the caller addressed it, since the address that the node listens on may be internal.
 */
export function asyncApiRoute (scope: Scope, { access, description }: AsyncApiParts, isPublic: boolean): void {
  scope.get('/asyncapi.json', {
    schema: { tags, summary: 'The AsyncAPI document of the socket', response: isPublic ? { 200: Document } : answers(Document, 400, 401, 403, 503) },
    ...!isPublic && { onRequest: access.permitted('asyncapi') }
  }, async ({ protocol, host }) => new JsonText(description.json(`${protocol}://${host}`)) as never)
}
