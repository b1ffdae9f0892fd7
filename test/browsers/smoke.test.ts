import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.js'
import { serveClientPage } from '../fixtures/client-page.js'
import type { DrivenBrowser, DrivenTab } from '../fixtures/driven-browser.js'
import { startFirefox } from '../fixtures/firefox.js'
import { startExample } from '../fixtures/process.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'
import { within } from '../fixtures/until.js'
import { startWebKit } from '../fixtures/webkit.js'

t.setTimeout(180_000)

const WAIT_MS = 20_000

/** A server with pages, and a network before it. */
async function start (t: Test) {
  const server = await startApp(t, { authorizeSubscribe: () => true, heartbeat: { enabled: false } }, { after: (app) => serveClientPage(app) })
  server.app.ws.handle('number.double', { schema: Type.Object({ n: Type.Integer() }), reply: Type.Object({ n: Type.Integer() }) }, ({ n }) => ({ n: 2 * n }))
  const proxy = await TcpProxy.start(t, Number(new URL(server.origin).port))
  let n = 0
  const say = async () => {
    n++
    await server.app.ws.sendToChannel('room', { type: 'room.said', n })
    await server.app.ws.sendToUser('alice', { type: 'mail.new', n })
  }
  return { server, proxy, url: `http://127.0.0.1:${proxy.port}/page`, say }
}

/** Makes a client of alice in the page, with what its listeners get. */
async function connect (tab: DrivenTab, isShared = false): Promise<void> {
  await tab.evaluate(async (isShared) => {
    const [{ createClient }, { tabs }] = await Promise.all([import('/dist/client/index.js' as string), import('/dist/client/tabs/index.js' as string)])
    const got: string[] = []
    const client = createClient({
      url: '/ws',
      storage: sessionStorage,
      getToken: async () => (await (await fetch('/token/alice')).json()).token,
      ...isShared && { tabs: tabs() }
    })
    const room = client.channel('room')
    room.on('room.said', ({ n }: { n: number }) => { got.push(`room ${n}`) })
    client.user.on('mail.new', ({ n }: { n: number }) => { got.push(`mail ${n}`) })
    Object.assign(window, { client, room, got })
  }, isShared)
  await within(WAIT_MS, 'a tab is a member', () => tab.evaluate(() => (window as any).room.status === 'live'))
}

const gotBy = (tab: DrivenTab) => tab.evaluate(() => (window as unknown as { got: string[] }).got)

/** The tab gets these, and nothing else. */
async function gets (t: Test, tab: DrivenTab, ...expected: string[]): Promise<void> {
  await within(WAIT_MS, `${expected.join(', ')} in a tab`, async () => (await gotBy(tab)).length >= expected.length)
  t.same((await gotBy(tab)).sort(), expected.sort())
}

const isThere = (tab: DrivenTab, selector: string) => tab.evaluate((selector) => document.querySelector(selector) !== null, selector)

for (const [name, startBrowser] of [['Firefox', startFirefox], ['WebKit', startWebKit]] as const) {
  t.test(name, async (t) => {
    const browser: DrivenBrowser = await startBrowser(t)

    t.test('the client gets messages, calls, goes on after a cut where it was, and after a reload', async (t) => {
      const { server, proxy, url, say } = await start(t)
      const tab = await browser.open(url)
      await connect(tab)
      await say()
      await gets(t, tab, 'mail 1', 'room 1')
      t.same(await tab.evaluate(() => (window as any).client.call('number.double', { n: 21 })), { n: 42 })
      proxy.retarget(1)
      await within(WAIT_MS, 'the client is gone', () => server.app.ws.getConnectionCount() === 0)
      await say()
      proxy.divert(Number(new URL(server.origin).port))
      await gets(t, tab, 'mail 1', 'mail 2', 'room 1', 'room 2')
      await tab.goto('about:blank')
      await within(WAIT_MS, 'the page is gone', () => server.app.ws.getConnectionCount() === 0)
      await say()
      await tab.goto(url)
      await connect(tab)
      await gets(t, tab, 'mail 3', 'room 3')
      await tab.close()
    })

    t.test('two tabs share a socket, and the other goes on when one is closed', async (t) => {
      const { server, url, say } = await start(t)
      const [one, two] = [await browser.open(url), await browser.open(url)]
      await connect(one, true)
      await connect(two, true)
      t.equal(server.app.ws.getConnectionCount(), 1)
      await say()
      for (const tab of [one, two]) await gets(t, tab, 'mail 1', 'room 1')
      await one.close()
      await say()
      await gets(t, two, 'mail 1', 'mail 2', 'room 1', 'room 2')
      t.equal(server.app.ws.getConnectionCount(), 1)
      await two.close()
    })

    t.test('the form of a question is rendered, and answered', async (t) => {
      const { server, url } = await start(t)
      const tab = await browser.open(url)
      await connect(tab)
      await tab.evaluate(async () => {
        const { defineElements } = await import('/dist/client/elements/index.js' as string)
        defineElements({ client: (window as any).client })
        document.body.append(document.createElement('ws-confirmations'))
      })
      const question = await server.app.ws.confirmations.ask({
        kind: 'app.question', to: { user: 'alice' }, message: 'How many?', answer: Type.Object({ count: Type.Integer({ title: 'Count', minimum: 1 }), urgent: Type.Boolean({ title: 'Urgent' }) })
      })
      const fields = () => tab.evaluate(() => [...document.querySelector('ws-confirmations')!.shadowRoot!.querySelectorAll('input')].map(({ type, labels }) => `${type} ${labels![0]!.textContent}`))
      await within(WAIT_MS, 'the form', async () => (await fields()).length === 2)
      await tab.evaluate(() => {
        const { shadowRoot } = document.querySelector('ws-confirmations')!
        const [count, urgent] = shadowRoot!.querySelectorAll('input')
        count!.value = '3'
        count!.dispatchEvent(new Event('input', { bubbles: true, composed: true }))
        urgent!.click()
        shadowRoot!.querySelector<HTMLElement>('[part~="answer"]')!.click()
      })
      t.match(await question.settled(), { outcome: 'confirmed', answer: { count: 3, urgent: true } })
      await tab.close()
    })

    t.test('the example page signs in, and shows what is said in the chat', async (t) => {
      const { origin } = await startExample(t)
      const tab = await browser.open(origin)
      await tab.evaluate(() => {
        document.querySelector<HTMLInputElement>('[data-testid="username"]')!.value = 'anna'
        document.querySelector<HTMLElement>('[data-testid="sign-in"]')!.click()
      })
      await within(WAIT_MS, 'the page is connected', () => isThere(tab, '[data-testid="connection-state"][data-state="connected"]'))
      await within(WAIT_MS, 'the chat is joined', () => isThere(tab, '[data-testid="chat"][data-state="live"]'))
      await tab.evaluate(() => {
        document.querySelector<HTMLInputElement>('[data-testid="chat-input"]')!.value = 'hello from here'
        document.querySelector<HTMLElement>('[data-testid="chat-send"]')!.click()
      })
      await within(WAIT_MS, 'the message in the chat', () => tab.evaluate(() => document.querySelector('[data-testid="chat-message"]')?.textContent?.includes('hello from here') === true))
      await tab.close()
    })
  })
}
