import { Type, type TObject } from '@sinclair/typebox'

/**
 * Makes the schema of a route's query, in which parameters with a default can be left out. Its type has all of them, since Fastify fills in
 * the defaults before the handler runs.
 */
export function queryOf<T extends TObject> ({ properties, additionalProperties }: T): T {
  const parameters = Object.entries(properties).map(([name, parameter]) => [name, 'default' in parameter ? Type.Optional(parameter) : parameter])
  return Type.Object(Object.fromEntries(parameters), { additionalProperties: additionalProperties! }) as unknown as T
}
