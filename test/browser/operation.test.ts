import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { chatOf, id, inChat, say, signIn, watchConnection } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'
import { RedisServer } from '../fixtures/redis.js'
import { until } from '../fixtures/until.js'

const browser = await startBrowser(t)

t.test('a page says when part of the service is out of reach, and when it is back', async (t) => {
  const redis = await RedisServer.start(t, { isDurable: true })
  const { origin } = await startExample(t, { REDIS_URL: `redis://127.0.0.1:${redis.port}`, JWT_SECRET: 'a secret of nodes that is long enough' })
  const page = await openPage(t, browser, origin)
  await signIn(page, 'ann')
  await inChat(page)
  const notice = page.locator(id('availability-notice'))
  t.equal(await notice.isVisible(), false)
  const states = await watchConnection(page)
  await redis.kill()
  await notice.waitFor()
  t.match(await notice.textContent(), /out of reach/)
  await redis.start()
  await notice.waitFor({ state: 'hidden' })
  await say(page, 'back')
  t.strictSame(await states(), [], 'it was connected all the time')
})

t.test('a page refreshes its token in time, and keeps its socket', async (t) => {
  // The server says that a token ends 30 s before: a second after this one was issued.
  const { origin } = await startExample(t, { TOKEN_TTL_S: '31' })
  const page = await openPage(t, browser, origin)
  const told: { client_id: string, expires_at: number }[] = []
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => {
    const frame = JSON.parse(String(payload))
    if (frame.type === 'connection') told.push(frame.data)
  }))
  await signIn(page, 'ann')
  await inChat(page)
  await say(page, 'before')
  const states = await watchConnection(page)
  await until(() => told.length === 3)
  t.equal(new Set(told.map(({ client_id: socket }) => socket)).size, 1)
  const [first, second, third] = told.map(({ expires_at: at }) => at) as [number, number, number]
  t.ok(first < second && second < third)
  await say(page, 'after')
  t.strictSame(await states(), [])
  t.strictSame(await chatOf(page), ['before', 'after'])
  t.equal(await page.locator(id('recovery-notice')).isVisible(), false, 'nothing was missed')
  await page.reload()
  await inChat(page)
  t.ok(told.at(-1)!.expires_at >= third, 'the fresh one is kept for the next load')
})
