import closeWithGrace from 'close-with-grace'
import { createApp } from './app.js'
import { CLOSE_MS, readConfig } from './config.js'

const config = readConfig()
const app = await createApp(config)
closeWithGrace({ delay: CLOSE_MS, logger: app.log }, async ({ err }) => {
  if (err !== undefined) app.log.fatal({ err }, 'the node ends by an error')
  // Fastify goes on listening while it closes. Refused at once, a load balancer takes every request to another node. In the check phase
  // of the event loop Node has just accepted all connections that were waiting: the system would reset those.
  await new Promise<void>((resolve) => { setImmediate(resolve) })
  app.server.close()
  await app.close()
})
await app.listen({ host: config.HOST, port: config.PORT })
console.log(`The example app listens on ${app.listeningOrigin}`)
