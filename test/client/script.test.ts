import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.js'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { servePage, type PageFiles } from '../fixtures/policed-page.js'
import { root } from '../fixtures/root.js'
import { until } from '../fixtures/until.js'

/** What the pages' own scripts have made; each handler notes what it got. */
interface Noted { got: [handler: string, n: number][], errors: string[], faults: string[] }

const notes = (page: Page) => page.evaluate(() => {
  const { got, errors, faults } = globalThis as unknown as Noted
  return { got, errors, faults }
})

const before = `
  globalThis.got = []; globalThis.errors = []; globalThis.faults = []
  console.error = (...what) => { faults.push(what.map(String).join(' ')) }
  globalThis.note = (name) => ({ n }) => { got.push([name, n]) }
  // As a page writes it that does not know whether the registry is there yet.
  window.safeRegisterHandler ??= (...handler) => { (window.wsHandlers ??= []).push(handler) }
  const kept = safeRegisterHandler
  safeRegisterHandler('chat.message', note('early'))
  window.wsHandlers.push(['mail.new', 'no function'], ['mail.new', note('pushed')])
  globalThis.registerLate = () => kept('chat.message', note('kept'))
`
const after = `
  safeRegisterHandler('chat.message', note('late'))
  globalThis.client = FastifyWs.createClient({ url: '/ws', getToken: async () => (await fetch('/token')).text() })
  client.on('error', ({ error, where }) => { errors.push(where + ': ' + error.message) })
  globalThis.registerThrowing = () => WebSocketRegistry.register('chat.message', () => { throw new Error('oops') })
  globalThis.off = WebSocketRegistry.register('chat.message', note('after the client'))
`

/** A page of classic scripts, which its policy takes from the server alone. */
async function openScriptPage (t: Test, files: PageFiles = { '/before.js': before, '/after.js': after }) {
  const [first, second] = Object.keys(files)
  const scripts = [first, '/ws/client.js', second].map((path) => `<script src="${path}"></script>`).join('')
  const server = await startApp(t, {}, {
    after: (app) => {
      servePage(app, { '/page': `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Test</title></head><body>${scripts}</body></html>`, ...files })
      app.get('/token', async () => server.token('alice'))
    }
  })
  const page = await openPage(t, await startBrowser(t), `${server.origin}/page`)
  return { page, app: server.app }
}

t.test('handlers of a page without modules get the messages of their types, registered before the script or after, under script-src self', async (t) => {
  const { page, app } = await openScriptPage(t)
  await page.evaluate(() => (globalThis as unknown as { client: { ready: () => Promise<void> } }).client.ready())
  await app.ws.broadcast({ type: 'chat.message', n: 1 })
  await app.ws.broadcast({ type: 'chat.unknown', n: 2 })
  await app.ws.sendToUser('alice', { type: 'mail.new', n: 3 })
  await app.ws.sendToUser('alice', { type: 'constructor', n: 4 })
  await until(async () => (await notes(page)).got.length === 4)
  t.same(await notes(page), {
    got: [['early', 1], ['late', 1], ['after the client', 1], ['pushed', 3]],
    errors: [],
    faults: ['fastify-ws-manager: wsHandlers TypeError: WebSocketRegistry.register() needs the type of the messages and a function']
  })
})

t.test('a handler is removed by its undo or by unregister(), and one that throws is reported and does not stop the others', async (t) => {
  const { page, app } = await openScriptPage(t)
  const unregistered = await page.evaluate(() => {
    const { off, registerThrowing, registerLate, WebSocketRegistry, note } = globalThis as unknown as Record<string, (...args: unknown[]) => unknown> & { WebSocketRegistry: Record<string, (...args: unknown[]) => unknown> }
    off!()
    off!()
    registerThrowing!()
    registerLate!()
    const own = note!('own')
    WebSocketRegistry.register!('chat.message', own)
    WebSocketRegistry.register!('chat.message', own)
    return [WebSocketRegistry.unregister!('chat.other', own), WebSocketRegistry.unregister!('chat.message', own), WebSocketRegistry.unregister!('chat.message', own)]
  })
  t.same(unregistered, [false, true, false])
  await page.evaluate(() => (globalThis as unknown as { client: { ready: () => Promise<void> } }).client.ready())
  await app.ws.broadcast({ type: 'chat.message', n: 1 })
  await until(async () => (await notes(page)).got.length === 3)
  const { got, errors } = await notes(page)
  t.same(got, [['early', 1], ['late', 1], ['kept', 1]])
  t.same(errors, ['messages "chat.message": oops'])
})

t.test('a message that wants an acknowledgement gets it from a handler of its type, and none where there is no handler', async (t) => {
  const { page, app } = await openScriptPage(t)
  await page.evaluate(() => (globalThis as unknown as { client: { ready: () => Promise<void> } }).client.ready())
  const handled = await app.ws.sendToUser('alice', { type: 'chat.message', n: 1 }, { ack: {} })
  t.match(handled, { acked: [String], missing: [] })
  const unhandled = await app.ws.sendToUser('alice', { type: 'chat.unknown', n: 2 }, { ack: { timeoutMs: 200, tries: 1 } })
  t.match(unhandled, { acked: [], missing: [String] })
})

t.test('the example of the documentation works as it is', async (t) => {
  const text = await readFile(join(root, 'docs/client-script.md'), 'utf8')
  const block = (name: string) => new RegExp(`^\\\`\\\`\\\`\\w+\\n(?:<!--|//) ${name}(?: -->)?\\n(.*?)^\\\`\\\`\\\``, 'ms').exec(text)![1]!
  t.same([...block('page.html').matchAll(/<script src="(.*)"><\/script>/g)].map(([, path]) => path), ['/chat.js', '/ws/client.js', '/main.js'])
  const { page, app } = await openScriptPage(t, { '/chat.js': block('chat.js'), '/main.js': block('main.js') })
  await until(() => app.ws.getConnectionCount() === 1)
  await app.ws.sendToUser('alice', { type: 'chat.message', text: 'hello from the server' })
  await page.waitForFunction(() => document.body.textContent.includes('hello from the server'))
})
