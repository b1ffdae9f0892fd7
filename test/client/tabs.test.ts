import fastifyCookie from '@fastify/cookie'
import type { BrowserContext, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { WsPluginOptions } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import { startBrowser } from '../fixtures/browser.js'
import { serveClientPage } from '../fixtures/client-page.js'
import { until } from '../fixtures/until.js'

t.setTimeout(120_000)

/** A server whose pages share a socket, and messages that count. */
async function start (t: Test, options: WsPluginOptions = {}) {
  const server = await startApp(t, { authorizeSubscribe: () => true, ...options }, { before: async (app) => { await app.register(fastifyCookie) }, after: (app) => serveClientPage(app) })
  const context = await (await startBrowser(t)).newContext()
  t.teardown(() => context.close())
  let n = 0
  const say = async () => {
    n++
    await server.app.ws.sendToChannel('room', { type: 'room.said', n })
    await server.app.ws.sendToUser('alice', { type: 'mail.new', n })
    await server.app.ws.broadcast({ type: 'app.all', n })
  }
  return { server, context, say, last: () => n }
}

/** A tab that writes down what its listeners get. */
async function openTab (context: BrowserContext, origin: string, user = 'alice', tokens: readonly string[] = []): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => { throw error })
  await page.goto(`${origin}/page`)
  await page.evaluate(async ({ user, tokens }) => {
    const [{ createClient }, { tabs }] = await Promise.all([import('/dist/client/index.js' as string), import('/dist/client/tabs/index.js' as string)])
    const got: unknown[] = []
    const client = createClient({ url: '/ws', tabs: tabs(), getToken: async () => tokens.shift() ?? (await (await fetch(`/token/${user}`)).json()).token })
    const room = client.channel('room')
    room.on('room.said', ({ n }: { n: number }) => { got.push(`room ${n}`) })
    room.on('gap', () => { got.push('gap') })
    client.user.on('mail.new', ({ n }: { n: number }) => { got.push(`mail ${n}`) })
    client.all.on('app.all', ({ n }: { n: number }) => { got.push(`all ${n}`) })
    const statuses: string[] = []
    client.on('status', (status: string) => { statuses.push(status) })
    Object.assign(globalThis, { client, room, got, statuses })
    await client.ready()
    while (room.status !== 'live') await new Promise((resolve) => setTimeout(resolve, 10))
  }, { user, tokens: [...tokens] })
  return page
}

const got = (page: Page): Promise<string[]> => page.evaluate(() => (globalThis as unknown as { got: string[] }).got)
/** What a tab has, by kind. */
const numbersOf = async (page: Page, kind: string): Promise<number[]> => (await got(page)).filter((text) => text.startsWith(kind)).map((text) => Number(text.split(' ')[1]))
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

t.test('three tabs of one user have one socket, and each gets everything once', async (t) => {
  const { server, context, say } = await start(t)
  const pages = [await openTab(context, server.origin), await openTab(context, server.origin), await openTab(context, server.origin)]
  t.equal(server.app.ws.getConnectionCount(), 1)
  for (const page of pages) t.same(await page.evaluate(() => (globalThis as unknown as { statuses: string[] }).statuses), ['connecting', 'connected'], 'nothing is lost at the beginning')
  for (let i = 0; i < 5; i++) await say()
  for (const page of pages) {
    await until(async () => (await got(page)).length >= 15)
    for (const kind of ['room', 'mail', 'all']) t.same(await numbersOf(page, kind), [1, 2, 3, 4, 5])
  }
  const bob = await openTab(context, server.origin, 'bob')
  t.equal(server.app.ws.getConnectionCount(), 2, 'another user has a socket of their own')
  await bob.close()
  await until(() => server.app.ws.getConnectionCount() === 1)
})

t.test('a tab whose lock is granted late is not taken for one that is gone', async (t) => {
  const { server, context, say } = await start(t)
  await openTab(context, server.origin)
  await context.addInitScript(() => {
    const { locks } = navigator
    const request = locks.request.bind(locks) as (...args: unknown[]) => Promise<unknown>
    Object.defineProperty(locks, 'request', { value: (...args: unknown[]) => new Promise((resolve) => { setTimeout(resolve, 500) }).then(() => request(...args)) })
  })
  const at = performance.now()
  const late = await openTab(context, server.origin)
  t.ok(performance.now() - at < 9_000, 'sooner than it would try again')
  await say()
  await until(async () => (await got(late)).length === 3)
  t.equal(server.app.ws.getConnectionCount(), 1)
})

t.test('when the tab that holds the socket is closed, another goes on: nothing is lost and nothing comes twice', async (t) => {
  const { server, context, say, last } = await start(t)
  const pages = [await openTab(context, server.origin), await openTab(context, server.origin), await openTab(context, server.origin)]
  const over = new AbortController()
  const saying = (async () => {
    while (!over.signal.aborted) {
      await say()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  const took: number[] = []
  while (pages.length > 1) {
    const holder = pages.shift()!
    await until(() => last() % 10 === 0)
    const at = performance.now()
    await holder.close()
    const n = last()
    await until(async () => (await numbersOf(pages[0]!, 'room')).at(-1)! > n + 1)
    took.push(performance.now() - at)
  }
  over.abort()
  await saying
  const [page] = pages
  await until(async () => (await numbersOf(page!, 'mail')).at(-1) === last())
  for (const kind of ['room', 'mail', 'all']) {
    const numbers = await numbersOf(page!, kind)
    t.same(numbers, upTo(numbers[0]!, last()))
  }
  t.notOk((await got(page!)).includes('gap'))
  t.comment(`handed over in ${took.map(Math.round).join(', ')} ms`)
  t.ok(took.every((ms) => ms < 3_000))
})

t.test('tabs whose user no token tells do not share: the cookie may be of another user by now', async (t) => {
  const { server, context } = await start(t, { auth: { cookie: 'session' } })
  const users: string[] = []
  for (const user of ['alice', 'bob']) {
    await context.addCookies([{ name: 'session', value: server.token(user), url: server.origin }])
    const page = await context.newPage()
    await page.goto(`${server.origin}/page`)
    users.push(await page.evaluate(async () => {
      const [{ createClient }, { tabs }] = await Promise.all([import('/dist/client/index.js' as string), import('/dist/client/tabs/index.js' as string)])
      const client = createClient({ url: '/ws', tabs: tabs() })
      await client.ready()
      return client.me.userId
    }))
  }
  t.same(users, ['alice', 'bob'])
})

t.test('a holder that is silent is replaced, and is one of the others when it wakes', async (t) => {
  const { server, context, say } = await start(t)
  const holder = await openTab(context, server.origin)
  const other = await openTab(context, server.origin)
  await say()
  await until(async () => (await got(other)).length === 3)
  // As a frozen page: nothing runs in it for a while.
  await holder.evaluate(() => { setTimeout(() => { for (const end = performance.now() + 4_000; performance.now() < end;); }) })
  await new Promise((resolve) => setTimeout(resolve, 100))
  const at = performance.now()
  await say()
  await until(async () => (await numbersOf(other, 'room')).length === 2)
  const took = performance.now() - at
  t.comment(`replaced after ${Math.round(took)} ms`)
  t.ok(took < 3_500, 'before it wakes')
  await say()
  await until(async () => (await numbersOf(holder, 'room')).length === 3)
  await say()
  for (const page of [holder, other]) {
    await until(async () => (await got(page)).length === 12)
    for (const kind of ['room', 'mail', 'all']) t.same(await numbersOf(page, kind), [1, 2, 3, 4])
  }
  await until(() => server.app.ws.getConnectionCount() === 1)
})

t.test('a tab that is reloaded goes on where its listeners were', async (t) => {
  const { server, context, say } = await start(t)
  const page = await context.newPage()
  const open = async () => {
    await page.goto(`${server.origin}/page`)
    await page.evaluate(async () => {
      const { createClient } = await import('/dist/client/index.js' as string)
      const got: unknown[] = []
      const client = createClient({ url: '/ws', storage: sessionStorage, getToken: async () => (await (await fetch('/token/alice')).json()).token })
      const room = client.channel('room')
      room.on('room.said', ({ n }: { n: number }) => { got.push(`room ${n}`) })
      client.user.on('mail.new', ({ n }: { n: number }) => { got.push(`mail ${n}`) })
      // Never done with the second one.
      client.all.on('app.all', ({ n }: { n: number }) => {
        got.push(`all ${n}`)
        return n === 2 ? new Promise(() => {}) : undefined
      })
      const statuses: string[] = []
      client.on('status', (status: string) => { statuses.push(status) })
      Object.assign(globalThis, { client, room, got, statuses })
      await client.ready()
      while (room.status !== 'live') await new Promise((resolve) => setTimeout(resolve, 10))
    })
  }
  await open()
  await say()
  await say()
  await until(async () => (await got(page)).length === 6)
  await page.goto('about:blank')
  await until(() => server.app.ws.getConnectionCount() === 0)
  await say()
  await open()
  await until(async () => (await got(page)).length === 4)
  t.same(await numbersOf(page, 'room'), [3])
  t.same(await numbersOf(page, 'mail'), [3])
  t.same(await numbersOf(page, 'all'), [2, 3], 'what had not finished its listeners comes again')
})

const userOf = (page: Page): Promise<string | null> => page.evaluate(() => (globalThis as unknown as { client: { me: { userId: string } | null } }).client.me?.userId ?? null)

t.test('users whom another claim than "sub" tells apart do not share', async (t) => {
  const { server, context } = await start(t, { auth: { userIdClaim: 'login' } })
  const [alice, bob] = ['alice', 'bob'].map((login) => server.token('tenant', { login }))
  const pages = [await openTab(context, server.origin, '', [alice!, alice!]), await openTab(context, server.origin, '', [bob!, bob!])]
  t.equal(server.app.ws.getConnectionCount(), 2)
  t.same(await Promise.all(pages.map(userOf)), ['alice', 'bob'])
})

t.test('a tab whose next token is of another user leaves the others', async (t) => {
  const { server, context } = await start(t, { auth: { expiryNoticeMs: 2_147_483_647 } })
  const next = server.token('bob')
  const first = await openTab(context, server.origin, 'alice', [server.token('alice'), next, next])
  const second = await openTab(context, server.origin)
  await until(async () => await userOf(first) === 'bob')
  t.equal(await userOf(second), 'alice')
  await until(() => server.app.ws.getConnectionCount() === 2)
})
