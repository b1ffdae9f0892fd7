import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { answer, id, inChat, question, signIn } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'

const { origin } = await startExample(t)
const browser = await startBrowser(t)

t.test('every response of the example app has the security headers', async (t) => {
  const json = { 'content-type': 'application/json' }
  const requests: Array<[path: string, status: number, init?: RequestInit]> = [
    ['/', 200], ['/app.js', 200], ['/client/elements/index.js', 200], ['/client/index.d.ts', 404], ['/client/..%2flib%2findex.js', 404], ['/ws/client.js', 200], ['/style.css', 200], ['/docs/static/index.html', 200], ['/docs/json', 200], ['/ws/health', 200],
    ['/nothing', 404], ['/%zz', 400], ['/me', 401], ['/ws', 426], ['/ws/broadcast', 401, { method: 'POST', headers: json, body: '{}' }],
    ['/login', 400, { method: 'POST', headers: json, body: '{' }], ['/login', 413, { method: 'POST', headers: json, body: ' '.repeat(2_000_000) }]
  ]
  for (const [path, status, init] of requests) {
    const response = await fetch(origin + path, init)
    await response.arrayBuffer()
    t.equal(response.status, status, path)
    const { headers } = response
    const policy = headers.get('content-security-policy')!.split('; ')
    t.ok(policy.includes("default-src 'none'") && policy.includes("frame-ancestors 'none'"), path)
    t.notMatch(policy.join(), /unsafe|\*|https?:/)
    t.equal(headers.get('x-content-type-options'), 'nosniff', path)
    t.equal(headers.get('x-frame-options'), 'DENY', path)
  }
})

t.test('every function of the page works under its Content Security Policy', async (t) => {
  // A page that is refused something fails this test.
  const page = await openPage(t, browser, origin)
  await signIn(page, 'admin')
  await inChat(page)
  await page.click(id('start-task'))
  await page.waitForSelector(question)
  await answer(page)
  await page.waitForSelector(`${id('task')}[data-status="done"]`)
  t.pass('and no console line says otherwise')
})

t.test('the Content Security Policy blocks scripts and resources of injected markup', async (t) => {
  const page = await browser.newPage()
  t.teardown(() => page.close())
  await page.goto(origin)
  const refused = await page.evaluate(() => new Promise<string[]>((resolve) => {
    const refused: string[] = []
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
      refused.push(effectiveDirective)
      if (refused.length === 4) resolve(refused.sort())
    })
    document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.ran = 1"><p style="color: red"></p><iframe src="about:blank?x"></iframe>')
    const script = document.createElement('script')
    script.textContent = 'window.ran = 1'
    document.body.append(script)
    fetch('http://127.0.0.1:1/').catch(() => {})
  }))
  t.strictSame(refused, ['connect-src', 'script-src-attr', 'script-src-elem', 'style-src-attr'])
  t.equal(await page.evaluate(() => 'ran' in window), false)
})

t.test('the page cannot be shown in a frame of another page', async (t) => {
  const page = await browser.newPage()
  t.teardown(() => page.close())
  const refused = page.waitForEvent('console', (message) => message.text().includes("frame-ancestors 'none'"))
  await page.setContent(`<iframe src="${origin}"></iframe>`)
  await refused
  t.not(await page.frames()[1]!.evaluate(() => document.title).catch(() => null), 'Realtime example')
})
