import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

export const CHAT_CHANNEL = 'chat'

/** A channel that everybody who is signed in may read and write. */
export const chat: FastifyPluginAsyncTypebox = async (app) => {
  app.ws.declare('chat.message', Type.Object({
    type: Type.Literal('chat.message'),
    text: Type.String(),
    user_id: Type.String(),
    sent_at: Type.Number()
  }))

  app.ws.handle('chat.send', {
    schema: Type.Object({ text: Type.String({ minLength: 1, maxLength: 500 }) }, { additionalProperties: false }),
    reply: Type.Object({ sent_at: Type.Number() }),
    rest: true
  }, async ({ text }, { user }) => {
    const sentAt = Date.now()
    await app.ws.sendToChannel(CHAT_CHANNEL, { type: 'chat.message', text, user_id: user!.id, sent_at: sentAt })
    return { sent_at: sentAt }
  })
}
