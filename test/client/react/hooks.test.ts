import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { startApp, type TestApp } from '../../fixtures/app.js'
import { openPage, startBrowser } from '../../fixtures/browser.js'
import { servePage } from '../../fixtures/policed-page.js'
import { root } from '../../fixtures/root.js'
import { within } from '../../fixtures/until.js'

const browser = await startBrowser(t)
const script = await readFile(join(root, 'test/client/react/page.mjs'), 'utf8')
const html = '<!doctype html><html lang="en"><title>Hooks</title><div id="root"></div><script type="module" src="/page.js"></script>'

/** A page with the hooks, and the requests about channels that the server has got from it. */
async function start (t: Test, react: 18 | 19, query = ''): Promise<{ server: TestApp, page: Page, asked: string[] }> {
  const server = await startApp(t, { authorizeSubscribe: (_user, channel) => channel !== 'secret', channels: { 'room-*': { presence: true } } }, {
    after: (app) => {
      servePage(app, { '/': html, '/page.js': script }, react)
      app.ws.handle('orders.place', { schema: Type.Object({ article: Type.String() }) }, ({ article }) => ({ article }))
      app.ws.handle('chat.say', { schema: Type.Object({ channel: Type.String(), text: Type.String() }) }, async ({ channel, text }) => {
        await app.ws.sendToChannel(channel, { type: 'chat.message', text })
        return {}
      })
    }
  })
  const asked: string[] = []
  server.app.ws.on('message_received', ({ message: { type, channel_ids: names } }) => {
    if (type === 'subscribe' || type === 'unsubscribe') asked.push(`${type} ${(names as string[]).join()}`)
  })
  const page = await openPage(t, browser, `${server.origin}/?token=${server.token('alice')}${query}`)
  await shows(page, 'status', 'connected')
  t.teardown(async () => {
    const failures = await page.evaluate(() => (window as unknown as { failures: string[] }).failures)
    if (failures.length > 0) throw new Error(`the client has failures: ${failures.join('; ')}`)
  })
  return { server, page, asked }
}

async function shows (page: Page, id: string, text: string): Promise<void> {
  await page.waitForFunction(([id, text]) => document.getElementById(id!)?.textContent === text, [id, text])
}

const show = (page: Page, view: string) => page.evaluate((view) => (window as unknown as { show: (view: string) => void }).show(view), view)

for (const react of [18, 19] as const) {
  t.test(`React ${react}: a channel is joined once in strict mode, kept when another component takes over, and left with the last one`, async (t) => {
    const { server, page, asked } = await start(t, react)
    await shows(page, 'a-status', 'live')
    await shows(page, 'people', 'alice')
    const ben = await server.connect('ben')
    ben.send({ type: 'subscribe', channel_ids: ['room-1'] })
    await shows(page, 'people', 'alice, ben')

    await page.click('#a-say')
    await shows(page, 'a-lines', 'said in step 1')
    await page.click('#a-step')
    await server.app.ws.sendToChannel('room-1', { type: 'chat.message', text: 'again' })
    await shows(page, 'a-lines', 'said in step 1, again in step 2')

    await page.click('#a-step')
    await server.app.ws.sendToChannel('room-1', { type: 'chat.message', text: 'unheard' })
    await page.waitForFunction(() => (window as unknown as { latest: string }).latest === 'unheard')
    await page.click('#a-step')
    await server.app.ws.sendToChannel('room-1', { type: 'chat.message', text: 'heard' })
    await shows(page, 'a-lines', 'said in step 1, again in step 2, heard in step 4')

    await show(page, 'rooms')
    await shows(page, 'c-status', 'live')
    await server.app.ws.sendToChannel('room-1', { type: 'chat.message', text: 'both' })
    await shows(page, 'c-lines', 'both in step 1')
    await shows(page, 'd-lines', 'both in step 1')
    t.strictSame(asked.filter((request) => request !== 'subscribe room-1'), [])
    t.equal(asked.length, 2, 'by the page and by ben')

    await show(page, 'nothing')
    await within(10_000, 'the page leaves', () => asked.at(-1) === 'unsubscribe room-1')
    await show(page, 'refused')
    await page.waitForSelector('#e-status:text("refused: forbidden")')
    await show(page, 'none')
    await shows(page, 'f-status', 'left')
    await show(page, 'state')
    await shows(page, 'state', 'the state')
    await server.app.ws.sendToChannel('room-2', { type: 'chat.message', text: 'hello' })
    await shows(page, 'state', 'the state, chat.message hello')
  })

  t.test(`React ${react}: a call is pending, then has data or an error that needs no catch`, async (t) => {
    const { page } = await start(t, react)
    await show(page, 'order')
    await shows(page, 'order', '{"isPending":false,"error":null,"data":null}')
    await page.click('#place')
    await shows(page, 'order', '{"isPending":false,"error":null,"data":{"article":"book"}}')
    await page.click('#misplace')
    await shows(page, 'order', '{"isPending":false,"error":"invalid_message","data":{"article":"book"}}')
  })

  t.test(`React ${react}: questions and tasks are live`, async (t) => {
    const { server, page } = await start(t, react)
    await show(page, 'lists')
    const question = await server.app.ws.confirmations.ask({ kind: 'app.go_on', to: { user: 'alice' }, message: 'Go on?' })
    await shows(page, 'questions', 'Go on?')
    await page.click('#yes')
    t.match(await question.settled(), { outcome: 'confirmed', answered_by: { user_id: 'alice' } })
    await shows(page, 'questions', '')
    const { task } = await server.app.ws.tasks.start({ userId: 'alice', title: 'Import' })
    await shows(page, 'tasks', 'Import running 0')
    await server.app.ws.tasks.progress(task.task_id, 40, 'reading')
    await shows(page, 'tasks', 'Import running 40')
    await server.app.ws.tasks.done(task.task_id)
    await shows(page, 'tasks', 'Import done 100')
  })

  t.test(`React ${react}: what is rendered at one time is of one time, also where a change comes while React renders`, async (t) => {
    const { server, page } = await start(t, react)
    const { task } = await server.app.ws.tasks.start({ userId: 'alice', title: 'Import' })
    await page.evaluate((id) => (window as unknown as { showSlowly: (view: string) => void }).showSlowly(id), task.task_id)
    for (let progress = 1; progress <= 20; progress++) await server.app.ws.tasks.progress(task.task_id, progress, '')
    await page.waitForFunction(() => [...document.querySelectorAll('.slow')].map(({ textContent }) => textContent).join() === Array(20).fill('20').join())
    t.strictSame(await page.evaluate(() => (window as unknown as { torn: string[] }).torn), [])
  })

  t.test(`React ${react}: a page that was rendered without a client is hydrated without a difference`, async (t) => {
    const { page, asked } = await start(t, react, '&hydrate')
    t.equal(await page.evaluate(() => (window as unknown as { rendered: string }).rendered), 'connectingjoininga-stepa-say')
    await shows(page, 'a-status', 'live')
    t.strictSame(asked, ['subscribe room-1'])
  })
}
