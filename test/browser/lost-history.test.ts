import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { chatOf, id, inChat, question, questionNote, say, signIn, talk } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'

const browser = await startBrowser(t)

t.test('the page shows how many missed chat messages the server no longer has', async (t) => {
  const { origin } = await startExample(t, { CHAT_HISTORY: '2' })
  const [ann, ben] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(ann, 'ann')
  await signIn(ben, 'ben')
  await inChat(ben)
  await say(ben, 'one')
  await ann.waitForSelector('text="one"')
  await ann.context().setOffline(true)
  await ann.waitForSelector(`${id('chat')}[data-state="joining"]`)
  await say(ben, 'two', 'three', 'four', 'five', 'six')
  await ann.context().setOffline(false)
  await ann.waitForSelector('text="six"')
  const [first, note, ...rest] = await chatOf(ann)
  t.equal(first, 'one')
  t.match(note, /^\[3 messages are missing here/)
  t.same(rest, ['five', 'six'])
  await say(ben, 'seven')
  await ann.waitForSelector('text="seven"')
  await ann.reload()
  await inChat(ann)
  t.same(await chatOf(ann), ['six', 'seven'], 'it is said once')
  await ann.goto('about:blank')
  await say(ben, 'eight', 'nine', 'ten')
  await ann.goto(origin)
  await inChat(ann)
  t.match(await chatOf(ann), [/^\[A message is missing here/, 'nine', 'ten'], 'also of what was sent during a reload')
})

t.test('a chat message that arrives after the list that has it already is shown once', async (t) => {
  const { origin } = await startExample(t)
  const [ann, ben] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(ben, 'ben')
  await inChat(ben)
  await say(ben, 'one')
  let release = () => {}
  await ann.routeWebSocket(/\/ws/, (page) => {
    const server = page.connectToServer()
    const held: (string | Buffer)[] = []
    let isHolding = true
    server.onMessage((frame) => {
      if (isHolding && String(frame).includes('"chat.message"')) held.push(frame)
      else page.send(frame)
    })
    release = () => {
      isHolding = false
      for (const frame of held) page.send(frame)
    }
  })
  await ann.route('**/chat/messages', async (route) => {
    await say(ben, 'two')
    await route.continue()
  })
  await ann.goto(origin)
  await signIn(ann, 'ann')
  await inChat(ann)
  t.same(await chatOf(ann), ['one', 'two'], 'as the list says')
  release()
  await say(ben, 'three')
  await ann.waitForSelector('text="three"')
  t.same(await chatOf(ann), ['one', 'two', 'three'])
})

t.test('the page shows every gap in a stream of chat messages with its exact size', async (t) => {
  const { origin } = await startExample(t, { CHAT_HISTORY: '3' })
  const page = await openPage(t, browser, origin)
  await signIn(page, 'ann')
  await inChat(page)
  const stop = new AbortController()
  const talking = talk(origin, stop.signal)
  for (let cuts = 0; cuts < 3; cuts++) {
    await page.context().setOffline(true)
    await page.waitForSelector(`${id('chat')}[data-state="joining"]`)
    await sleep(150)
    await page.context().setOffline(false)
    await inChat(page)
  }
  stop.abort()
  const texts = await talking
  await page.waitForSelector(`text="${texts.at(-1)}"`)
  const lines = (await chatOf(page)).filter((line) => line !== '[While you were away]')
  const holes = lines.map((line) => /^\[(\d+ messages are|A message is) missing/.exec(line))
  const first = holes.indexOf(null)
  let expected = Number.parseInt(lines[first]!.slice('message '.length))
  for (const [index, line] of lines.entries()) {
    const hole = holes[index] ?? null
    if (index < first) continue
    if (hole === null) t.equal(line, `message ${expected++}`)
    else expected += Number.parseInt(hole[1]!) || 1
  }
  t.equal(expected, texts.length + 1)
  t.ok(holes.some((hole) => hole !== null), 'there were some')
})

t.test('the page shows that history is lost after the server restarts without it', async (t) => {
  const env = { JWT_SECRET: 'the same secret before and after a restart' }
  const { origin, child } = await startExample(t, env)
  const page = await openPage(t, browser, origin)
  await signIn(page, 'ann')
  await inChat(page)
  await say(page, 'before')
  await page.click(id('start-task'))
  await page.waitForSelector(question)
  child.kill('SIGKILL')
  await page.waitForSelector(`${id('connection-state')}[data-state="reconnecting"]`)
  await startExample(t, { ...env, PORT: new URL(origin).port })
  // No need to wait for the next attempt.
  await page.evaluate(() => { window.dispatchEvent(new Event('online')) })
  await inChat(page)
  await page.waitForSelector(id('recovery-notice'))
  await page.waitForSelector(question, { state: 'detached' })
  await page.waitForSelector(id('task'), { state: 'detached' })
  t.match(await page.locator(id('failure')).textContent(), /Import of customers.csv.* no longer known/)
  t.match(await page.locator(questionNote).textContent(), /no longer open/)
  t.match(await chatOf(page), ['before', /may be missing here/])
  await say(page, 'after')
  t.match(await chatOf(page), ['before', /may be missing here/, 'after'])
  await page.click(`${id('recovery-notice')} button`)
  t.equal(await page.locator(id('recovery-notice')).isVisible(), false)
})
