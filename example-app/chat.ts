import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { User, WsPluginOptions } from 'fastify-ws-manager'
import { signedIn } from './accounts.js'

export const CHAT_CHANNEL = 'chat'

/** How the chat is kept: so many messages, for an hour, and who is there. */
export const chatRules = (size: number): WsPluginOptions['channels'] => ({
  [CHAT_CHANNEL]: { presence: true, history: { size, ttlMs: 3_600_000 } }
})

const message = {
  type: Type.Literal('chat.message'),
  text: Type.String(),
  user_id: Type.String(),
  sent_at: Type.Number()
}
const position = { epoch: Type.String(), offset: Type.Integer() }

/** A channel that everybody who is signed in may read and write. */
export const chat: FastifyPluginAsyncTypebox = async (app) => {
  app.ws.declare('chat.message', Type.Object(message))

  app.ws.handle('chat.send', {
    schema: Type.Object({ text: Type.String({ minLength: 1, maxLength: 500 }) }, { additionalProperties: false }),
    reply: Type.Object({ sent_at: Type.Number() }),
    rest: true
  }, async ({ text }, { user }) => {
    const sentAt = Date.now()
    await app.ws.sendToChannel(CHAT_CHANNEL, { type: 'chat.message', text, user_id: user!.id, sent_at: sentAt })
    return { sent_at: sentAt }
  })

  app.get('/chat/messages', {
    schema: {
      tags: ['chat'],
      summary: 'The latest messages, oldest first; whoever subscribes from `position` on gets all that follows',
      response: {
        200: Type.Object({
          messages: Type.Array(Type.Object({ ...message, stream: Type.Object({ topic: Type.String(), ...position }) })),
          position: Type.Object(position)
        })
      }
    },
    onRequest: signedIn
  }, async () => {
    const { messages, position } = await app.ws.history(`channel:${CHAT_CHANNEL}`)
    // They were checked as declared when they were sent.
    return { messages: messages as never[], position }
  })

  // The protocol tells of a user's first tab and last; how many there are in between is for the app to tell.
  app.ws.declare('chat.tabs', Type.Object({ type: Type.Literal('chat.tabs'), user_id: Type.String(), tabs: Type.Integer() }))
  const tellTabs = async (user: User | null) => {
    const { users } = await app.ws.presence(CHAT_CHANNEL)
    const present = users.find(({ user_id: id }) => id === user?.id)
    if (present === undefined) return
    const told = { type: 'chat.tabs', user_id: present.user_id, tabs: present.client_ids.length }
    await app.ws.sendToChannel(CHAT_CHANNEL, told, { history: false })
  }
  app.ws.handle('chat.enter', { schema: Type.Object({}, { additionalProperties: false }) }, (_message, { user }) => tellTabs(user))
  app.ws.on('client_disconnected', ({ client }) => tellTabs(client.user))
}
