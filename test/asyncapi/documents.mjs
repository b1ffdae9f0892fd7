/* Prints the documents to read: of an app that declares much, of one that declares nothing, and of a contract with questions and channels. */
import Fastify from 'fastify'
import wsPlugin from '../../dist/lib/index.js'
import { asyncApi } from '../../dist/lib/asyncapi/document.js'
import { declareRichly } from '../../dist/test/fixtures/asyncapi.js'

const jwt = { secret: 'a secret of tests that is long enough' }
const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) })

async function documentOf (options, declare) {
  const app = Fastify()
  await app.register(wsPlugin, options)
  declare(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  try {
    return app.ws.asyncapi()
  } finally {
    await app.close()
  }
}

console.log(JSON.stringify({
  rich: await documentOf({ jwt, asyncapi: { title: 'Rich', version: '1.2.3', description: 'Much of everything' } }, declareRichly),
  plain: await documentOf({ authenticate: () => null }, () => {}),
  contract: asyncApi({
    info: { title: 'Contract', version: '1.0.0' },
    path: '/ws',
    credentials: { isJwt: true, cookie: 'session' },
    isClosed: true,
    messages: [{ type: 'chat.message', schema: object({ text: { type: 'string' } }) }],
    calls: [{ type: 'chat.send', schema: object({ text: { type: 'string' } }), reply: object({ sent_at: { type: 'number' } }), channel: 'room-*', isRest: true }],
    confirmations: { 'train.failed': { data: object({ loss: { type: 'number' } }), answer: object({ gpu: { type: 'string' } }) }, 'are.you.sure': {} },
    channels: { 'room-*': { messages: ['chat.message'] } }
  })
}))
