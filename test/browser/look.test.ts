import type { Page } from 'playwright-core'
import t from 'tap'
import { faultsOfAccess } from '../fixtures/access.js'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { answer, id, inChat, post, question, say, signIn } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'

const DESKTOP = { width: 1_280, height: 800 }
const PHONE = { width: 390, height: 844 }
const LONG = 'Somebody has much to say, and a message that is long enough for several lines of a narrow chat. '

const { origin } = await startExample(t)
const browser = await startBrowser(t)

/** Announces by REST, as an administrator. */
async function announce (...texts: string[]): Promise<void> {
  const { token } = await post(origin, '/login', { username: 'admin' })
  for (const text of texts) await post(origin, '/ws/broadcast', { message: { type: 'demo.announcement', text } }, token)
}

/** By how much the document is larger than the window, and which of these elements is not wholly in sight or covered by another. */
const looks = (page: Page, ...testIds: string[]) => page.evaluate((testIds) => {
  const { scrollHeight, scrollWidth } = document.documentElement
  const hidden = testIds.filter((testId) => {
    const element = document.querySelector(`[data-testid="${testId}"]`)!
    const { left, top, right, bottom } = element.getBoundingClientRect()
    const corners = [[left, top], [right, top], [left, bottom], [right, bottom]].map(([x, y]) => [x === left ? x + 9 : x! - 9, y === top ? y + 9 : y! - 9])
    return !corners.every(([x, y]) => document.elementFromPoint(x!, y!) === element)
  })
  return { growth: [scrollWidth - innerWidth, scrollHeight - innerHeight], scrolled: scrollY, hidden }
}, testIds)

t.test('the document does not grow with the chat, and nothing covers the field to write in', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'ann')
  await inChat(page)
  const { token } = await post(origin, '/login', { username: 'ben' })
  for (let n = 1; n <= 40; n++) await post(origin, '/ws/call/chat.send', { text: `${n}: ${LONG}` }, token)
  await page.waitForSelector(`text="40: ${LONG.trim()}"`)
  await announce(...[1, 2, 3, 4].map((n) => `${n}: ${LONG.repeat(5)}`))
  await page.waitForSelector(`${id('announcement')} >> text=/4: Somebody/`)
  // What fails shows a bar, like all that is told.
  await page.evaluate('import("/bars.js").then(({ showFailure }) => showFailure("Something did not work."))')
  await page.waitForSelector(id('failure'))
  t.equal(await page.locator(id('announcement')).count(), 3, 'the latest ones')
  const good = { growth: [0, 0], scrolled: 0, hidden: [] }
  t.same(await looks(page, 'chat-input', 'chat-send'), good, 'on a desktop')
  await page.setViewportSize(PHONE)
  await page.click('text="Chat" >> visible=true')
  t.same(await looks(page, 'chat-input', 'chat-send'), good, 'on a phone')
  await page.waitForFunction(() => {
    const { scrollHeight, scrollTop, clientHeight } = document.getElementById('chat-log')!
    return scrollHeight > clientHeight && scrollHeight - scrollTop - clientHeight < 8
  })
  await page.setViewportSize({ width: PHONE.height, height: PHONE.width })
  t.same(await looks(page, 'chat-input', 'chat-send'), good, 'on one that is turned')
  await say(page, 'mine')
  t.same(await looks(page, 'chat-input', 'chat-send'), good, 'and the latest message is in sight')
  await page.setViewportSize(PHONE)
  await page.click('text="Tasks" >> visible=true')
  await post(origin, '/ws/call/chat.send', { text: 'unread' }, token)
  await page.waitForSelector('#chat-count >> text="1"')
  await page.click('text="Chat" >> visible=true')
  await page.waitForSelector('#chat-count:empty', { state: 'attached' })
})

t.test('a page that goes offline says so within a second, and keeps what is being written', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'cleo')
  await inChat(page)
  await page.context().setOffline(true)
  await page.waitForSelector(`${id('connection-state')}[data-state="offline"]`, { timeout: 1_000 })
  t.equal(await page.locator(id('connection-notice')).textContent(), 'You are offline. What you see may be out of date.')
  await page.fill(id('chat-input'), 'later')
  await page.click(id('chat-send'))
  t.match(await page.locator(id('chat-hint')).textContent(), /not connected/)
  await page.context().setOffline(false)
  await inChat(page)
  t.equal(await page.locator(id('connection-notice')).count(), 0)
  t.equal(await page.locator(id('chat-hint')).isVisible(), false)
  await page.click(id('chat-send'))
  await page.waitForSelector(`${id('chat-message')} >> text="later"`)
})

t.test('a question that is out of sight is announced by a link to it, which the keyboard reaches', async (t) => {
  const page = await openPage(t, browser, origin, { viewport: { width: 1_280, height: 700 } })
  const isInSight = () => page.locator(question).evaluate((card) => {
    const { top } = card.getBoundingClientRect()
    return top >= 0 && top < innerHeight / 2
  })
  await signIn(page, 'dan')
  await page.click(id('start-task'))
  await page.waitForSelector(question)
  t.equal(await page.locator(id('question-link')).count(), 0, 'not while it is in sight')

  await page.locator('#work').evaluate((work) => { work.scrollTop = work.scrollHeight })
  const link = await page.waitForSelector(`[role="status"] ${id('question-link')}`)
  t.equal(await link.textContent(), '1 question waits for you')
  await link.click()
  await page.waitForSelector(id('question-link'), { state: 'detached' })
  t.ok(await isInSight())

  await page.setViewportSize(PHONE)
  await page.click('text="Chat" >> visible=true')
  await page.waitForSelector(id('question-link'))
  await page.focus(id('chat-input'))
  for (let presses = 0; presses < 12 && await page.evaluate(() => document.activeElement!.tagName !== 'A' || !document.activeElement!.closest('#asked')); presses++) {
    await page.keyboard.press('Shift+Tab')
  }
  await page.keyboard.press('Enter')
  await page.waitForSelector(id('question-link'), { state: 'detached' })
  t.ok(await isInSight())
  t.equal(await page.evaluate(() => document.activeElement!.textContent), 'Questions', 'the next key goes on from there')
})

/** What axe finds on both devices in both colours (that change nothing but contrast), what is smaller than a finger on a phone, and whether anything is wider than the window. */
async function faultsOf (page: Page, state: string): Promise<string[]> {
  const faults: string[] = []
  const hasViews = await page.isVisible('#workspace')
  for (const viewport of [DESKTOP, PHONE]) {
    await page.setViewportSize(viewport)
    for (const hash of viewport === PHONE && hasViews ? ['#work', '#chat'] : ['#work']) {
      await page.evaluate((hash) => { location.hash = hash }, hash)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        faults.push(...(await faultsOfAccess(page, ...colorScheme === 'dark' ? ['color-contrast'] : [])).map((fault) => `${state}, ${viewport.width} px, ${hash}, ${colorScheme}: ${fault}`))
      }
      if (viewport === PHONE) faults.push(...(await smallOf(page)).map((fault) => `${state}, ${hash}: ${fault}`))
    }
  }
  return faults
}

const smallOf = (page: Page) => page.evaluate(() => {
  const roots = [document, ...[...document.querySelectorAll('ws-confirmations, ws-task')].map(({ shadowRoot }) => shadowRoot!)]
  const targets = roots.flatMap((root) => [...root.querySelectorAll<HTMLElement>('a, button, input:not([type=radio], [type=checkbox]), textarea, select, [part~=option]')])
  const covered = roots.flatMap((root) => [...root.querySelectorAll('[part=heading], [part=status]')]).filter((text) => {
    const { left, right, top, bottom } = text.getBoundingClientRect()
    return text.checkVisibility() && targets.some((target) => {
      const box = target.getBoundingClientRect()
      return target.getRootNode() === text.getRootNode() && box.left < right && left < box.right && box.top < bottom && top < box.bottom
    })
  }).map((text) => `"${text.textContent}" is covered`)
  return targets.filter((target) => target.checkVisibility()).flatMap((target) => {
    const { width, height, left, right } = target.getBoundingClientRect()
    const isClipped = left < 0 || right > innerWidth || target.scrollWidth > target.clientWidth + 1
    return width >= 44 && height >= 44 && !isClipped ? [] : [`${target.outerHTML} is ${width} x ${height} px`]
  }).concat(covered)
})

t.test('the page is accessible in all its states, and has one style of time', async (t) => {
  const page = await openPage(t, browser, origin, { locale: 'en-US', reducedMotion: 'reduce' })
  await page.fill(id('username'), '-')
  await page.click(id('sign-in'))
  await page.getByText('A name begins with a letter').waitFor()
  t.strictSame(await faultsOf(page, 'signed out'), [])

  for (const name of ['somebody-with-quite-a-long-name', 'another-one-with-a-long-name']) await signIn(await openPage(t, browser, origin), name)
  await signIn(page, 'admin')
  await inChat(page)
  await page.setViewportSize(DESKTOP)
  await say(page, 'hello')
  await page.click(id('start-task'))
  await page.waitForSelector(question)
  const times = [await page.locator('ws-confirmations [part="time"]').textContent()]
  await page.click('ws-confirmations [part~="answer"]')
  await page.getByText('Please choose.').waitFor()
  t.strictSame(await faultsOf(page, 'a question'), [])

  await page.setViewportSize(DESKTOP)
  await page.click('ws-confirmations [part~="decline"]')
  await page.waitForSelector(`${id('task')}[data-status="failed"]`)
  await page.click(id('start-task'))
  await answer(page)
  await page.waitForSelector(`${id('task')}[data-status="done"]`)
  for (const button of await page.locator(id('task-log-button')).all()) await button.click()
  await page.click(id('start-task'))
  await page.waitForSelector(`${id('task')}[data-status="running"]`)
  await page.click('ws-task [part~="cancel"]')
  await page.waitForSelector(`${id('task')}[data-status="cancelled"]`)
  await announce(LONG)
  await page.waitForSelector(id('announcement'))
  times.push(...await page.locator('time, .task .row p').allTextContents())
  await page.context().setOffline(true)
  await page.waitForSelector(id('connection-notice'))
  await page.fill(id('chat-input'), 'later')
  await page.click(id('chat-send'))
  t.strictSame(await faultsOf(page, 'tasks that ended, offline'), [])

  t.ok(times.length > 10)
  for (const text of times) t.match(text, /(^|\D)([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?($|[. ](?![AP]M))/)
})
