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

  // The client tells who is there; in how many tabs is for the app to tell.
  const people = async () => {
    const { users } = await app.ws.presence(CHAT_CHANNEL)
    return users.flatMap(({ user_id: id, client_ids: tabs }) => id === null ? [] : [{ user_id: id, tabs: tabs.length }])
  }
  const tellTabs = async (user: User | null) => {
    const present = (await people()).find(({ user_id: id }) => id === user?.id)
    if (present !== undefined) await app.ws.sendToChannel(CHAT_CHANNEL, { type: 'chat.tabs', ...present }, { history: false })
  }
  app.ws.handle('chat.enter', async (_message, { user }) => {
    await tellTabs(user)
    return { people: await people() }
  })
  app.ws.on('client_disconnected', ({ client }) => tellTabs(client.user))
}
