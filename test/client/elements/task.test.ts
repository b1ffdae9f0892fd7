import t from 'tap'
import { startBrowser } from '../../fixtures/browser.js'
import { openElements } from '../../fixtures/elements-page.js'

const browser = await startBrowser(t)

t.test('a task shows its title, status, progress, message and log, and is cancelled by its button', async (t) => {
  const { server, page } = await openElements(t, browser, '<ws-task lang="en" time-zone="UTC"></ws-task>')
  const { ws } = server.app
  await page.getByText('No such task is known.').waitFor()
  const { task: { task_id: id }, signal } = await ws.tasks.start({ userId: 'alice', title: 'Import' })
  await ws.tasks.progress(id, 40, 'reading rows')
  await page.evaluate((id) => document.querySelector('ws-task')!.setAttribute('task-id', id), id)
  await page.getByRole('heading', { name: 'Import', level: 3 }).waitFor()
  await page.getByRole('status').getByText('Running').waitFor()
  await page.getByText('reading rows').waitFor()
  t.equal(await page.getByRole('progressbar', { name: 'Progress' }).evaluate((bar) => (bar as HTMLProgressElement).value), 40)

  for (let row = 1; row <= 205; row++) await ws.tasks.log(id, `row ${row}`, row === 3 ? 'error' : 'info')
  await page.getByText('row 205').waitFor()
  const lines = page.getByRole('log', { name: 'Log' }).locator('.line')
  t.equal(await lines.count(), 200)
  t.match(await lines.last().textContent(), /^\d+:\d\d:\d\d [AP]M row 205$/)
  t.equal(await page.getByRole('log').evaluate((log) => Math.abs(log.scrollHeight - log.scrollTop - log.clientHeight) < 2), true, 'the end of the log is seen')

  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByRole('status').getByText('Cancelled').waitFor()
  t.equal(signal.aborted, true)
  t.equal(await page.getByRole('button').count(), 0)
})

t.test('a task that fails says why', async (t) => {
  const { server, page } = await openElements(t, browser, '<ws-task no-log></ws-task>')
  const { task: { task_id: id } } = await server.app.ws.tasks.start({ userId: 'alice' })
  await page.evaluate((id) => document.querySelector('ws-task')!.setAttribute('task-id', id), id)
  await page.getByRole('heading', { name: id }).waitFor()
  await server.app.ws.tasks.fail(id, 'The disk is full')
  await page.getByRole('status').getByText('Failed').waitFor()
  await page.getByText('The disk is full').waitFor()
})
