import { Type } from '@sinclair/typebox'
import type { Page } from 'playwright-core'
import t from 'tap'
import { AppError } from '../../../lib/index.js'
import type { TestApp } from '../../fixtures/app.js'
import { startBrowser } from '../../fixtures/browser.js'
import { openElements } from '../../fixtures/elements-page.js'

const browser = await startBrowser(t)

const HTML = '<p>Hello <b>alice</b></p><img src="data:," onerror="window.ran = 1"><script>window.ran = 1</script>'

/** Serves a fragment, which shows what it is called with. */
function serve (app: TestApp['app']): void {
  app.ws.handle('app.part', { schema: Type.Object({}, { additionalProperties: true }) }, ({ id: _id, type: _type, ...data }) => ({ html: `<p>${JSON.stringify(data)}</p>` }))
  app.ws.handle('app.unsafe', { schema: Type.Object({}) }, () => HTML)
  app.ws.handle('app.number', { schema: Type.Object({}) }, () => 7)
}

const content = (page: Page) => page.locator('ws-fragment > [slot=content]')

t.test('<ws-fragment> loads its HTML by a call with its attributes as data, and again when they change', async (t) => {
  const { page } = await openElements(t, browser, '<ws-fragment src="app.part" data-order-id="7" data=\'{"page": 2}\'>Loading the order …</ws-fragment>', serve)
  await content(page).waitFor()
  const shown = async (data: object) => page.waitForFunction((text) => document.querySelector('ws-fragment > [slot=content]')?.textContent === text, JSON.stringify(data))
  await shown({ orderId: '7', page: 2 })
  await page.evaluate(() => { document.querySelector('ws-fragment')!.dataset.orderId = '8' })
  await shown({ orderId: '8', page: 2 })
  await page.evaluate(() => { document.querySelector('ws-fragment')!.data = { page: 3 } })
  await shown({ orderId: '8', page: 3 })
  t.equal(await page.locator('[part=placeholder]').isVisible(), false)
})

t.test('HTML is sanitized by the browser, or else by the app, or else shown as text', async (t) => {
  const { page } = await openElements(t, browser, '<ws-fragment src="app.unsafe"></ws-fragment>', serve)
  await content(page).waitFor()
  const hasSetHtml = await page.evaluate(() => 'setHTML' in Element.prototype)
  t.comment(`Element.setHTML: ${hasSetHtml}`)
  if (hasSetHtml) {
    t.equal(await content(page).innerHTML(), '<p>Hello <b>alice</b></p>')
    await page.evaluate(() => { delete (Element.prototype as { setHTML?: unknown }).setHTML })
    await page.evaluate(() => document.querySelector('ws-fragment')!.reload())
  }
  await page.waitForFunction((html) => document.querySelector('ws-fragment > [slot=content]')?.textContent === html, HTML)
  await page.evaluate(async () => {
    const fragment = document.querySelector('ws-fragment')!
    fragment.sanitize = (html) => html.replace(/<(img|script)[^]*/, '')
    await fragment.reload()
  })
  t.equal(await content(page).innerHTML(), '<p>Hello <b>alice</b></p>')
  await page.evaluate(async () => {
    const fragment = document.querySelector('ws-fragment')!
    fragment.sanitize = () => document.createElement('hr')
    await fragment.reload()
  })
  t.equal(await content(page).innerHTML(), '<hr>')
  t.equal(await page.evaluate(() => 'ran' in window), false)
})

t.test('a failed fragment shows its error and a button to try again', async (t) => {
  let isFull = true
  const { page } = await openElements(t, browser, '<ws-fragment src="app.fails">Wait …</ws-fragment>', (app) => {
    app.ws.handle('app.fails', { schema: Type.Object({}) }, () => {
      if (isFull) throw new AppError('app.full', 'The box is full')
      return '<p>There is room</p>'
    })
    serve(app)
  })
  await page.getByRole('alert').getByText('This part could not be loaded. The box is full').waitFor()
  isFull = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await content(page).getByText('There is room').waitFor()
  t.equal(await page.getByRole('button', { name: 'Try again' }).isVisible(), false)
  await page.evaluate(() => document.querySelector('ws-fragment')!.setAttribute('src', 'app.number'))
  await page.getByRole('alert').getByText('it must be a string').waitFor()
})

t.test('what one user was shown is gone when another one comes', async (t) => {
  const { page } = await openElements(t, browser, '<ws-fragment src="app.whose">Wait …</ws-fragment>', (app) => {
    app.ws.handle('app.whose', { schema: Type.Object({}) }, (_message, { user }) => `<p>For ${user.id}</p>`)
    serve(app)
  })
  await page.getByText('For alice').waitFor()
  await page.evaluate(() => { (globalThis as unknown as { client: { signOut: () => void } }).client.signOut() })
  await page.getByText('For alice').waitFor({ state: 'detached' })
})
