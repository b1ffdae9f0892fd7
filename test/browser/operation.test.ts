import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { chatOf, id, inChat, say, signIn, watchConnection } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'
import { RedisServer } from '../fixtures/redis.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'

const JWT_SECRET = 'a secret of nodes that is long enough'

const browser = await startBrowser(t)

t.test('the page shows when part of the service is unavailable, and when it has recovered', async (t) => {
  const redis = await RedisServer.start(t, { isDurable: true })
  const { origin } = await startExample(t, { REDIS_URL: `redis://127.0.0.1:${redis.port}`, JWT_SECRET, BATCH_MS: '500' })
  const page = await openPage(t, browser, origin)
  await signIn(page, 'ann')
  await inChat(page)
  const notice = page.locator(id('availability-notice'))
  t.equal(await notice.isVisible(), false)
  const states = await watchConnection(page)
  await page.click(id('start-task'))
  await page.waitForSelector(`${id('task')}[data-status="running"]`)
  await redis.kill()
  await notice.waitFor()
  t.match(await notice.textContent(), /out of reach/)
  const authorization = `Bearer ${forge({ sub: 'ann' }, { secret: JWT_SECRET })}`
  await until(async () => {
    const { tasks, complete } = await (await fetch(`${origin}/tasks`, { headers: { authorization } })).json()
    return tasks[0].status === 'failed' && !complete
  })
  t.equal(await page.locator(`${id('task')}[data-status="running"]`).count(), 1, 'the page cannot be told yet')
  await redis.start()
  await notice.waitFor({ state: 'hidden' })
  await page.waitForSelector(`${id('task')}[data-status="failed"]`)
  t.match(await page.locator('ws-task [part="message"]').textContent(), /Redis is not available/)
  await say(page, 'back')
  t.strictSame(await states(), [], 'it was connected all the time')
})

t.test('the page refreshes its token before it expires, and keeps its socket', async (t) => {
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
