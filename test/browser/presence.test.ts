import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { signIn, waitForPeople } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'

const browser = await startBrowser(t)

t.test('the chat lists each present user once, until the user\'s last tab is closed', async (t) => {
  const { origin } = await startExample(t)
  const [ann, ben] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(ann, 'ann')
  await waitForPeople(ann, 'ann you')
  await signIn(ben, 'ben')
  await waitForPeople(ann, 'ann you', 'ben')
  await waitForPeople(ben, 'ben you', 'ann')
  const second = await ben.context().newPage()
  await second.goto(origin)
  await signIn(second, 'ben')
  await Promise.all([waitForPeople(ann, 'ann you', 'ben 2 tabs'), waitForPeople(second, 'ben you 2 tabs', 'ann')])
  await second.close()
  await waitForPeople(ann, 'ann you', 'ben')
  await ben.close()
  await waitForPeople(ann, 'ann you')
  t.pass('and nobody is left behind')
})
