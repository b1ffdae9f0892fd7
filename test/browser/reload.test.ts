import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { chatOf, inChat, say, signIn, talk } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'

const browser = await startBrowser(t)

t.test('a reloaded page shows messages sent meanwhile, in order and without duplicates', async (t) => {
  const { origin } = await startExample(t)
  const [ann, ben] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(ann, 'ann')
  await signIn(ben, 'ben')
  await inChat(ben)
  await say(ben, 'one', 'two')
  await ann.waitForSelector('text="two"')
  await ann.goto('about:blank')
  await say(ben, 'three', 'four', 'five')
  await ann.goto(origin)
  await inChat(ann)
  const all = ['one', 'two', '[While you were away]', 'three', 'four', 'five']
  t.same(await chatOf(ann), all)

  await say(ben, 'six')
  await ann.waitForSelector('text="six"')
  t.same(await chatOf(ann), [...all, 'six'], 'and goes on from there')
  await ann.reload()
  await inChat(ann)
  t.same(await chatOf(ann), ['one', 'two', 'three', 'four', 'five', 'six'], 'nobody said anything during this one')

  const cleo = await openPage(t, browser, origin)
  await signIn(cleo, 'cleo')
  await inChat(cleo)
  t.same(await chatOf(cleo), ['one', 'two', 'three', 'four', 'five', 'six'], 'a page that is new is told what is known')
})

t.test('reloads of a page amid a stream of messages neither lose nor duplicate any', async (t) => {
  const { origin } = await startExample(t, { CHAT_HISTORY: '10000' })
  const page = await openPage(t, browser, origin)
  await signIn(page, 'ann')
  await inChat(page)
  const stop = new AbortController()
  const talking = talk(origin, stop.signal)
  for (let reloads = 0; reloads < 4; reloads++) {
    await page.reload()
    await inChat(page)
  }
  stop.abort()
  const texts = await talking
  await page.waitForSelector(`text="${texts.at(-1)}"`)
  const shown = (await chatOf(page)).filter((line) => !line.startsWith('['))
  t.equal(shown.length, Math.min(texts.length, 200), 'the page shows the latest 200')
  t.same(shown, texts.slice(-200))
  await page.waitForFunction(() => {
    const { scrollHeight, scrollTop, clientHeight } = document.getElementById('chat-log')!
    return scrollHeight > clientHeight && scrollHeight - scrollTop - clientHeight < 8
  })
  t.pass('and the latest is in sight')
})
