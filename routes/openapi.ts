type JsonObject = Record<string, unknown>

/** What @fastify/swagger tells about a route: its document so far is one of OpenAPI or one of Swagger 2. */
interface Asked {
  schema: object
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
  const security = isOptional ? [{ [SCHEME]: [] }, {}] : [{ [SCHEME]: [] }]
  const swaggerTransform = ({ schema, openapiObject, swaggerObject }: Asked) => {
    // Both objects are made anew for each document, but what the host has given is its own.
    if (openapiObject !== undefined) {
      const { components } = openapiObject
      components.securitySchemes = { [SCHEME]: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: DESCRIPTION }, ...components.securitySchemes }
    } else {
      const scheme = { type: 'apiKey', in: 'header', name: 'Authorization', description: `${DESCRIPTION}, with the prefix "Bearer "` }
      swaggerObject!.securityDefinitions = { [SCHEME]: scheme, ...swaggerObject!.securityDefinitions }
    }
    return { schema: { ...schema, security } }
  }
  return { swaggerTransform }
}
