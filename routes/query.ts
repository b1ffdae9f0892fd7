import { Type, type TObject } from '@sinclair/typebox'

/**
 * Makes a query of a route whose parameters with a default can be left out. The handler gets all of them, since Fastify fills in defaults:
 * that is why the type stays as it is.
 */
export function queryOf<T extends TObject> ({ properties, additionalProperties }: T): T {
  const parameters = Object.entries(properties).map(([name, parameter]) => [name, 'default' in parameter ? Type.Optional(parameter) : parameter])
  return Type.Object(Object.fromEntries(parameters), { additionalProperties: additionalProperties! }) as unknown as T
}
