import { Type } from '@sinclair/typebox'
import { group, type OptionsOf } from '../option-types.js'

/** Options of the AsyncAPI document. */
export const asyncApiOptions = {
  asyncapi: group({
    title: Type.String({ minLength: 1, default: 'WebSocket API', description: 'Title of the AsyncAPI document' }),
    version: Type.String({ minLength: 1, default: '1.0.0', description: 'Version of the app in the AsyncAPI document' }),
    description: Type.Optional(Type.String({ description: 'Description of the app in the AsyncAPI document, Markdown. Default: none' })),
    public: Type.Boolean({ default: true, description: 'false: reading the AsyncAPI document by REST needs the permission asyncapi' })
  }, 'The AsyncAPI document')
}
export type AsyncApiOptions = OptionsOf<typeof asyncApiOptions>
