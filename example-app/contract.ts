import { Type } from '@sinclair/typebox'
import { defineContract } from 'fastify-ws-manager/contract'

export const CHAT_CHANNEL = 'chat'
const CHAT_HISTORY_MS = 3_600_000

const closed = { additionalProperties: false }
const Text = Type.String({ minLength: 1, maxLength: 500 })

/**
 * Messages, calls and questions of the app: types of the server, checks at run time, and the documents /docs and /ws/asyncapi.json. Add
 * one here, and the compiler shows what is missing.
 */
export const contract = defineContract({
  messages: {
    'chat.message': Type.Object({ text: Type.String(), user_id: Type.String(), sent_at: Type.Number() }, { description: 'Somebody says something' }),
    'chat.tabs': Type.Object({ user_id: Type.String(), tabs: Type.Integer() }, { description: 'How many tabs of a user are in the chat' }),
    'demo.announcement': Type.Object({ text: Text }, { description: 'An administrator tells everybody something' })
  },
  calls: {
    'chat.send': {
      data: Type.Object({ text: Text }, { ...closed, description: 'Says something in the chat' }),
      reply: Type.Object({ sent_at: Type.Number() }),
      rest: true
    },
    'chat.enter': {
      data: Type.Object({}, { ...closed, description: 'Tells the chat of one more tab, and this one who is there in how many' }),
      reply: Type.Object({ people: Type.Array(Type.Object({ user_id: Type.String(), tabs: Type.Integer() })) })
    }
  },
  confirmations: {
    'import.bad_row': {
      data: Type.Object({ row: Type.Integer(), column: Type.String(), value: Type.String() }, { description: 'Where an import cannot read its file' }),
      answer: Type.Object({
        action: Type.Union([
          Type.Literal('import', { title: 'Import without the value' }), Type.Literal('skip', { title: 'Skip the row' })
        ], { title: 'What to do' })
      })
    }
  },
  channels: {
    // The option `channels` adds the size of the history, which comes from the environment.
    [CHAT_CHANNEL]: { messages: ['chat.message', 'chat.tabs'], presence: true, history: { ttlMs: CHAT_HISTORY_MS } }
  }
})
