import { Type } from 'typebox'
import { Reply, Request } from './schemas.mjs'

/** The schemas of a request and of its reply, of each kind that the product takes. */
export const requestSchemas = {
  'TypeBox 0.34': { schema: Request, reply: Reply },
  'TypeBox 1.x': {
    schema: Type.Object({ text: Type.String({ maxLength: 500 }) }),
    reply: Type.Object({ text: Type.String() })
  },
  'JSON Schema': {
    schema: { type: 'object', properties: { text: { type: 'string', maxLength: 500 } }, required: ['text'] },
    reply: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }
  }
}
