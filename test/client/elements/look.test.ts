import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { faultsOfAccess } from '../../fixtures/access.js'
import { startBrowser } from '../../fixtures/browser.js'
import { openElements, type ElementsPage } from '../../fixtures/elements-page.js'

const browser = await startBrowser(t)

const BODY = '<h2>Today</h2><ws-confirmations></ws-confirmations><ws-task></ws-task><ws-fragment src="app.hello">Loading …</ws-fragment><ws-fragment src="app.nothing"></ws-fragment>'
const devices = { desktop: { width: 1_280, height: 800 }, phone: { width: 360, height: 740 } }

/** A page with everything that the elements can show. */
async function fill ({ server, page }: ElementsPage): Promise<void> {
  const { ws } = server.app
  const choices = (...names: string[]) => Type.Union(names.map((name) => Type.Literal(name)))
  await ws.confirmations.ask({
    kind: 'app.order',
    to: { user: 'alice' },
    message: 'Order 4711 is larger than usual. Shall it be sent?',
    data: { customer: 'Example Ltd.', items: 12, is_new: true, notes: ['fragile', 'to be called before'], address: { street: 'Long Road 7', town: 'Ulm' } },
    answer: Type.Object({
      limit: Type.Number({ title: 'Limit', description: 'Up to this amount it is sent at once.', minimum: 0, default: 500 }),
      action: { ...choices('Send it', 'Split it', 'Ask the customer'), title: 'What to do' },
      country: Type.Optional({ ...choices('Austria', 'Germany', 'Italy'), title: 'Country' }),
      days: Type.Array(choices('Monday', 'Tuesday', 'Friday'), { title: 'Days', minItems: 1 }),
      at: Type.Optional(Type.String({ title: 'Not before', format: 'date-time' })),
      reason: Type.String({ title: 'Reason', maxLength: 400 }),
      address: Type.Object({ town: Type.String({ title: 'Town' }) }, { title: 'Other address' }),
      extra: Type.Optional(Type.Unknown({ title: 'Extra' })),
      agreed: Type.Literal(true, { title: 'I have spoken to the customer' })
    })
  })
  await ws.confirmations.ask({ kind: 'app.simple', to: { user: 'alice' }, message: 'Go on?' })
  const { task: { task_id: id } } = await ws.tasks.start({ userId: 'alice', title: 'Import of the customers' })
  await ws.tasks.progress(id, 40, '400 of 1,000 rows')
  await ws.tasks.log(id, 'row 1 is read')
  await ws.tasks.log(id, 'row 7 has no name', 'error')
  await page.evaluate((id) => document.querySelector('ws-task')!.setAttribute('task-id', id), id)
  await page.getByText('row 7 has no name').waitFor()
  await page.getByText('Hello!').waitFor()
  await page.getByRole('button', { name: 'Send answer' }).click()
  await page.getByText('fields need your attention').waitFor()
}

const open = (t: Test, context: Parameters<typeof openElements>[5]) => openElements(t, browser, BODY, (app) => {
  app.ws.handle('app.hello', { schema: Type.Object({}) }, () => '<p>Hello!</p>')
}, {}, context)

for (const [device, viewport] of Object.entries(devices)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    t.test(`the elements are accessible on a ${device} in ${colorScheme} colours`, async (t) => {
      const opened = await open(t, { viewport, colorScheme })
      await fill(opened)
      t.strictSame(await faultsOfAccess(opened.page), [])
      const { scrollWidth, small } = await opened.page.evaluate(() => ({
        scrollWidth: document.documentElement.scrollWidth,
        small: [...document.querySelectorAll('ws-confirmations, ws-task, ws-fragment')].flatMap((element) => [...element.shadowRoot!.querySelectorAll('button, select, .option, input:not([type=checkbox], [type=radio])')])
          .filter((target) => target.checkVisibility()).filter((target) => target.getBoundingClientRect().height < 44).map(({ outerHTML }) => outerHTML)
      }))
      t.ok(scrollWidth <= viewport.width, `${scrollWidth} px wide`)
      t.strictSame(small, [], 'what is touched is at least 44 px high')
    })
  }
}

t.test('a page can give the elements colours that it has under names of its own', async (t) => {
  const { server, page } = await open(t, {})
  await page.evaluate(() => {
    const sheet = document.styleSheets[0]!
    sheet.insertRule(':root { --accent: rgb(1, 2, 3); --on-accent: rgb(4, 5, 6) }')
    sheet.insertRule('ws-confirmations { --ws-accent: var(--accent); --ws-on-accent: var(--on-accent) }')
  })
  await server.app.ws.confirmations.ask({ kind: 'app.simple', to: { user: 'alice' }, message: 'Go on?' })
  const colours = await page.getByRole('button', { name: 'Continue' }).evaluate((button) => {
    const { backgroundColor, color } = getComputedStyle(button)
    return [backgroundColor, color]
  })
  t.strictSame(colours, ['rgb(1, 2, 3)', 'rgb(4, 5, 6)'])
})
