import { embeddedSchema } from './openapi-schemas.js'

type JsonObject = Record<string, unknown>

/** The parts of a route's schema that are rewritten. */
interface RouteSchema { body?: object, response?: Record<string, object> }

/** What @fastify/swagger tells about a route: its document so far is one of OpenAPI or one of Swagger 2. */
interface Asked {
  schema: RouteSchema
  openapiObject?: { components: { securitySchemes?: JsonObject } }
  swaggerObject?: { securityDefinitions?: JsonObject }
}

/** Name of the scheme. One of the host with this name stays as it is. */
const SCHEME = 'bearerAuth'
const DESCRIPTION = 'A token of fastify-ws-manager'

/**
 * Makes the config of a route that says in the documents of @fastify/swagger that a route needs a bearer token, and adds the security scheme there, without which Swagger UI has
 * no button to authorize. The host need not define it: while the document is made, a route's transform may change it.
 *
 * @param isOptional the route also serves callers without a token
 */
export function bearerConfig (isOptional: boolean): object {
  return { swaggerTransform: (asked: Asked) => ({ schema: secured(asked, isOptional) }) }
}

/**
 * Makes the config of the route of a call, whose schemas are the app's: a reference in them is one within the schema, and would mean
 * something else in the document.
 *
 * @param bearer as for `bearerConfig`; null: callers have no bearer tokens
 */
export function callConfig (type: string, bearer: { isOptional: boolean } | null): object {
  const swaggerTransform = (asked: Asked) => {
    const { body, response } = asked.schema
    const document = (asked.openapiObject ?? asked.swaggerObject)!
    const { data } = (response![200] as { properties: { data: object } }).properties
    const schema = {
      ...asked.schema,
      body: embeddedSchema(document, type, body!, true),
      response: { ...response, 200: { ...response![200], properties: { data: embeddedSchema(document, `${type}.reply`, data, false) } } }
    }
    return { schema: bearer === null ? schema : secured({ ...asked, schema }, bearer.isOptional) }
  }
  return { swaggerTransform }
}

function secured ({ schema, openapiObject, swaggerObject }: Asked, isOptional: boolean): object {
  // Both objects are made anew for each document, but what the host has given is its own.
  if (openapiObject !== undefined) {
    const { components } = openapiObject
    components.securitySchemes = { [SCHEME]: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: DESCRIPTION }, ...components.securitySchemes }
  } else {
    const scheme = { type: 'apiKey', in: 'header', name: 'Authorization', description: `${DESCRIPTION}, with the prefix "Bearer "` }
    swaggerObject!.securityDefinitions = { [SCHEME]: scheme, ...swaggerObject!.securityDefinitions }
  }
  return { ...schema, security: isOptional ? [{ [SCHEME]: [] }, {}] : [{ [SCHEME]: [] }] }
}
