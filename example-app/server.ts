import { createApp } from './app.js'

const app = await createApp({ logger: { level: process.env.LOG_LEVEL ?? 'warn' } })
await app.listen({ host: process.env.HOST ?? '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
const { address, family, port } = app.server.address() as import('node:net').AddressInfo
console.log(`The example app listens on http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await app.close()
    process.exit(0)
  })
}
