import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { faultsOf, invalidMessage } from '../lib/validation/faults.js'
import { CompiledSchema } from '../lib/validation/compiled-schema.js'

/**
 * Validates requests like frames, so that both report the same faults. Only path and query, which arrive as text, are converted to the
 * schema's types and get its defaults.
 */
export const validatorCompiler = ({ schema: given, httpPart }: { schema: unknown, httpPart?: string }) => {
  const schema = given as TSchema
  const check = new CompiledSchema(schema)
  return (data: unknown) => {
    const value = httpPart === 'body' ? data : Value.Convert(schema, Value.Default(schema, data))
    return check.Check(value) ? { value } : { error: invalidMessage(faultsOf(check, value)) }
  }
}
