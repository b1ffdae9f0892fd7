import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { answer, comment, id, question, questionNote, signIn, watchConnection } from '../fixtures/example-page.js'
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
  await page.waitForSelector(question)
  t.match(await page.title(), /^\(1\)/, 'the title says that somebody is asked')
  t.same(await page.locator('ws-confirmations dd').allTextContents(), ['617', 'date', '31.02.2026'], 'the facts of its kind')
  await page.fill(comment, 'leave the date out')
  await answer(page)
  await page.waitForSelector(`${id('task')}[data-status="done"]`)
  t.equal(await page.locator(question).count(), 0, 'the question is gone')
  await page.click(id('task-log-button'))
  t.match(await page.locator('ws-task [part="log"]').textContent(), /Going on without the date: leave the date out/)
  t.match(await page.locator(id('task')).innerText(), /1,000 rows imported/)
  t.notMatch(await page.title(), /^\(1\)/)
})

t.test('the page has a field for what the contract lets people answer', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'fay')
  await page.click(id('start-task'))
  await page.waitForSelector(question)
  t.same(await page.locator('ws-confirmations [part="option"]').allTextContents(), ['Import without the value', 'Skip the row'])
  await page.click('ws-confirmations [part~="answer"]')
  await page.getByText('Please choose.').waitFor()
  await answer(page, 'Skip the row')
  await page.waitForSelector(`${id('task')}[data-status="done"]`)
  await page.click(id('task-log-button'))
  t.match(await page.locator('ws-task [part="log"]').textContent(), /Skipping the row/)
})

t.test('answering a question in one window closes it in the user\'s other window', async (t) => {
  const [first, second] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(first, 'ben')
  await signIn(second, 'ben')
  await first.click(id('start-task'))
  await Promise.all([first.waitForSelector(question), second.waitForSelector(question)])
  await second.click('ws-confirmations [part~="decline"]')
  await first.waitForSelector(question, { state: 'detached' })
  await first.waitForSelector(`${id('task')}[data-status="failed"]`)
  t.match(await first.locator(questionNote).textContent(), /another window/)
  await second.waitForSelector(`${questionNote} >> text=/^Your answer was sent/`)
  t.pass('the first window says that the answer came from another')
})

t.test('a question survives a reload of the page, and other users do not see it', async (t) => {
  const [alice, bob] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(alice, 'cleo')
  await signIn(bob, 'bob')
  await alice.click(id('start-task'))
  await alice.waitForSelector(question)
  await alice.reload()
  await alice.waitForSelector(question)
  t.equal(await alice.locator(question).count(), 1, 'the same one')
  t.equal(await bob.locator(id('task')).count(), 0)
  t.equal(await bob.locator(question).count(), 0)
  await answer(alice)
  await alice.waitForSelector(`${id('task')}[data-status="done"]`)
})

t.test('the page shows a cancelled task as such, and removes its question', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'dan')
  await page.click(id('start-task'))
  await page.waitForSelector(question)
  await page.click('ws-task [part~="cancel"]')
  await page.waitForSelector(`${id('task')}[data-status="cancelled"]`)
  await page.waitForSelector(question, { state: 'detached' })
  t.equal(await page.locator(question).count(), 0)
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
  await page.locator('ws-task [part~="cancel"]').first().click()
  await page.waitForSelector(id('start-notice'), { state: 'hidden' })
  await page.click(id('start-task'))
  await page.waitForFunction((task) => document.querySelectorAll(task).length === 4, id('task'))
  t.equal(await page.locator(id('start-notice')).isVisible(), false)
})

t.test('a second click does not start a second import while the first one is on its way', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'gus')
  let release = () => {}
  const clicked = new Promise<void>((resolve) => { release = resolve })
  let posts = 0
  await page.route('**/tasks', async (route) => {
    posts++
    await clicked
    await route.continue()
  })
  await page.click(id('start-task'))
  await page.click(id('start-task'))
  release()
  await page.waitForSelector(id('task'))
  t.equal(posts, 1)
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
  await until(async () => (await states()).includes('restarting'))
  await startExample(t, { ...env, PORT: new URL(origin).port })
  await page.waitForSelector(`${id('connection-state')}[data-state="connected"]`, { timeout: 30_000 })
  await page.click(id('start-task'))
  await page.waitForSelector(`${id('task')}[data-status="running"]`)
  t.pass('and works')
})
