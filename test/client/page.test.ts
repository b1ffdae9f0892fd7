import t from 'tap'
import { startApp } from '../fixtures/app.js'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { serveClientPage } from '../fixtures/client-page.js'
import { until } from '../fixtures/until.js'

t.test('a page says at once that it is offline, and is connected within a second when it is not', async (t) => {
  const server = await startApp(t, { authorizeSubscribe: () => true }, { after: (app) => serveClientPage(app) })
  const page = await openPage(t, await startBrowser(t), `${server.origin}/page`)
  await page.evaluate(async () => {
    const { createClient } = await import('/dist/client/index.js' as string)
    const statuses: { status: string, at: number }[] = []
    const got: number[] = []
    const client = createClient({ url: '/ws', getToken: async () => (await (await fetch('/token/alice')).json()).token })
    client.on('status', (status: string) => { statuses.push({ status, at: performance.now() }) })
    client.user.on('mail.new', ({ n }: { n: number }) => { got.push(n) })
    for (const event of ['offline', 'online']) window.addEventListener(event, () => { statuses.push({ status: `the browser is ${event}`, at: performance.now() }) })
    Object.assign(globalThis, { statuses, got, client })
    await client.ready()
  })
  const statuses = () => page.evaluate(() => (globalThis as unknown as { statuses: { status: string, at: number }[] }).statuses)
  const last = async () => (await statuses()).at(-1)!.status
  for (let round = 1; round <= 3; round++) {
    await page.context().setOffline(true)
    await until(async () => (await statuses()).some(({ status }) => status === 'offline'))
    await server.app.ws.sendToUser('alice', { type: 'mail.new', n: round })
    await page.context().setOffline(false)
    await until(async () => await last() === 'connected')
    const told = await statuses()
    const of = (status: string) => told.findLast((entry) => entry.status === status)!.at
    t.ok(of('offline') - of('the browser is offline') < 1_000)
    t.ok(of('connected') - of('the browser is online') < 1_000, `${Math.round(of('connected') - of('the browser is online'))} ms`)
    await until(async () => (await page.evaluate(() => (globalThis as unknown as { got: number[] }).got)).length === round)
    await page.evaluate(() => { (globalThis as unknown as { statuses: unknown[] }).statuses.length = 0 })
  }
  t.same(await page.evaluate(() => (globalThis as unknown as { got: number[] }).got), [1, 2, 3])
})
