import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { User } from 'fastify-ws-manager'
import { security, signedIn } from './accounts.js'
import { CHAT_CHANNEL, contract } from './contract.js'

const position = { epoch: Type.String(), offset: Type.Integer() }
const { 'chat.message': { properties: message } } = contract.messages

/** A channel that everybody who is signed in may read and write. */
export const chat: FastifyPluginAsyncTypebox = async (app) => {
  app.ws.handle('chat.send', async ({ text }, { user }) => {
    const sentAt = Date.now()
    await app.ws.sendToChannel(CHAT_CHANNEL, { type: 'chat.message', text, user_id: user.id, sent_at: sentAt })
    return { sent_at: sentAt }
  })

  app.get('/chat/messages', {
    schema: {
      tags: ['chat'],
      security,
      summary: 'The latest messages, oldest first; whoever subscribes from `position` on gets all that follows',
      response: {
        200: Type.Object({
          messages: Type.Array(Type.Object({ type: Type.Literal('chat.message'), ...message, stream: Type.Object({ topic: Type.String(), ...position }) })),
          position: Type.Object(position)
        })
      }
    },
    onRequest: signedIn
  }, async () => {
    const { messages, position } = await app.ws.history(`channel:${CHAT_CHANNEL}`)
    // They were checked by the contract when they were sent.
    return { messages: messages as never[], position }
  })

  // The protocol tells of a user's first tab and last; how many there are in between is for the app to tell.
  const tellTabs = async (user: User | null) => {
    if (user === null) return
    const { users } = await app.ws.presence(CHAT_CHANNEL)
    const present = users.find(({ user_id: id }) => id === user.id)
    if (present === undefined) return
    await app.ws.sendToChannel(CHAT_CHANNEL, { type: 'chat.tabs', user_id: user.id, tabs: present.client_ids.length }, { history: false })
  }
  app.ws.handle('chat.enter', (_message, { user }) => tellTabs(user))
  app.ws.on('client_disconnected', ({ client }) => tellTabs(client.user))
}
