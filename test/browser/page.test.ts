import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { id, signIn, watchConnection } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'
import { until } from '../fixtures/until.js'

// One server and one browser for the tests that do not need their own; each test has its own user.
const { origin } = await startExample(t)
const browser = await startBrowser(t)

t.test('a user signs in, starts a task, answers its question and sees it finish in the page', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'ann')
  await page.click(id('start-task'))
  await page.waitForSelector(`${id('task')}[data-status="running"]`)
  await page.waitForSelector(id('question'))
  t.match(await page.title(), /^\(1\)/, 'the title says that somebody is asked')
  t.same(await page.locator(`${id('question-data')} dd`).allTextContents(), ['617', 'date', '31.02.2026'], 'the facts of its kind')
  await page.fill(id('question-feedback'), 'leave the date out')
  await page.click(id('question-proceed'))
  await page.waitForSelector(`${id('task')}[data-status="done"]`)
  t.equal(await page.locator(id('question')).count(), 0, 'the question is gone')
  t.match(await page.locator(id('task-log')).textContent(), /Going on without the date: leave the date out/)
  t.notMatch(await page.title(), /^\(1\)/)
})

t.test('the page has a field for what the contract lets people answer', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'fay')
  await page.click(id('start-task'))
  const action = await page.waitForSelector(id('answer-action'))
  t.same(await page.locator(`${id('answer-action')} option`).allTextContents(), ['Import without the value', 'Skip the row'])
  await action.selectOption({ label: 'Skip the row' })
  await page.click(id('question-proceed'))
  await page.waitForSelector(`${id('task')}[data-status="done"]`)
  t.match(await page.locator(id('task-log')).textContent(), /Skipping the row/)
})

t.test('answering a question in one window closes it in the user\'s other window', async (t) => {
  const [first, second] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(first, 'ben')
  await signIn(second, 'ben')
  await first.click(id('start-task'))
  await Promise.all([first.waitForSelector(id('question')), second.waitForSelector(id('question'))])
  await second.click(id('question-stop'))
  await first.waitForSelector(id('question'), { state: 'detached' })
  await first.waitForSelector(`${id('task')}[data-status="failed"]`)
  await first.waitForFunction(() => /another window/i.test(document.body.textContent ?? ''))
  t.pass('the first window says that the answer came from another')
})

t.test('a question survives a reload of the page, and other users do not see it', async (t) => {
  const [alice, bob] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(alice, 'cleo')
  await signIn(bob, 'bob')
  await alice.click(id('start-task'))
  const asked = await (await alice.waitForSelector(id('question'))).getAttribute('data-callback-id')
  await alice.reload()
  const again = await (await alice.waitForSelector(id('question'))).getAttribute('data-callback-id')
  t.equal(again, asked)
  t.equal(await bob.locator(id('task')).count(), 0)
  t.equal(await bob.locator(id('question')).count(), 0)
  await alice.click(id('question-proceed'))
  await alice.waitForSelector(`${id('task')}[data-status="done"]`)
})

t.test('the page shows a cancelled task as such, and removes its question', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'dan')
  await page.click(id('start-task'))
  await page.waitForSelector(id('question'))
  await page.click(id('task-cancel'))
  await page.waitForSelector(`${id('task')}[data-status="cancelled"]`)
  await page.waitForSelector(id('question'), { state: 'detached' })
  t.equal(await page.locator(id('question')).count(), 0)
})

t.test('a fourth import is refused while three run, and the page shows that until one ends', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'eve')
  for (let n = 1; n <= 3; n++) {
    await page.click(id('start-task'))
    await page.waitForFunction(([task, n]) => document.querySelectorAll(task as string).length === n, [id('task'), n])
  }
  await page.click(id('start-task'))
  await page.waitForSelector(`${id('start-notice')} >> text="You have 3 imports running. Wait for one to end, or cancel one."`)
  t.equal(await page.locator(id('task')).count(), 3)
  await page.locator(id('task-cancel')).first().click()
  await page.waitForSelector(id('start-notice'), { state: 'hidden' })
  await page.click(id('start-task'))
  await page.waitForFunction((task) => document.querySelectorAll(task).length === 4, id('task'))
  t.equal(await page.locator(id('start-notice')).isVisible(), false)
})

t.test('users chat in the page, and an announcement by the administrator reaches everybody', async (t) => {
  const { origin } = await startExample(t)
  const [alice, admin] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(alice, 'alice')
  await signIn(admin, 'admin')
  await alice.fill(id('chat-input'), 'hello <b>there</b>')
  await alice.click(id('chat-send'))
  const message = await admin.waitForSelector(id('chat-message'))
  t.match(await message.textContent(), /hello <b>there<\/b>/, 'as text, never as markup')
  t.notOk(await alice.locator(id('announcement-input')).isVisible(), 'only the administrator has the box')
  await admin.fill(id('announcement-input'), 'tea is ready')
  await admin.click(id('announcement-send'))
  await alice.waitForSelector(id('announcement'))
  t.match(await alice.locator(id('announcement')).textContent(), /tea is ready/)
  t.match(await admin.locator(id('announcement-result')).textContent(), /2 sockets/)
})

t.test('the page reconnects by itself after the server has restarted', async (t) => {
  const env = { JWT_SECRET: 'the same secret before and after a restart' }
  const { origin, child } = await startExample(t, env)
  const page = await openPage(t, browser, origin)
  await signIn(page, 'alice')
  const states = await watchConnection(page)
  child.kill('SIGTERM')
  // For as long as the server told it, which may be a moment.
  await until(async () => (await states()).includes('returning'))
  await startExample(t, { ...env, PORT: new URL(origin).port })
  await page.waitForSelector(`${id('connection-state')}[data-state="connected"]`, { timeout: 30_000 })
  await page.click(id('start-task'))
  await page.waitForSelector(`${id('task')}[data-status="running"]`)
  t.pass('and works')
})
