import t from 'tap'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { answer, chatOf, id, inChat, question, questionNote, say, signIn } from '../fixtures/example-page.js'
import { startExample } from '../fixtures/process.js'
import { TcpProxy } from '../fixtures/tcp-proxy.js'

const browser = await startBrowser(t)

t.test('a page that lost its connection recovers all messages, and how tasks and questions ended', async (t) => {
  const { origin } = await startExample(t)
  const proxy = await TcpProxy.start(t, Number(new URL(origin).port))
  const [far, near] = [await openPage(t, browser, `http://127.0.0.1:${proxy.port}`), await openPage(t, browser, origin)]
  await signIn(far, 'ann')
  await signIn(near, 'ann')
  await Promise.all([inChat(far), inChat(near)])
  await say(near, 'before')
  await near.click(id('start-task'))
  await Promise.all([far.waitForSelector('text="before"'), far.waitForSelector(question), near.waitForSelector(question)])

  proxy.blackHole()
  proxy.cut()
  await far.waitForSelector(`${id('connection-state')}[data-state="reconnecting"]`)
  await answer(near)
  await near.waitForSelector(`${id('task')}[data-status="done"]`)
  await say(near, 'after')
  t.equal(await far.locator(question).count(), 1, 'the page does not know yet')
  t.same(await chatOf(far), ['before'])

  const calls: string[] = []
  far.on('request', (request) => { if (request.resourceType() === 'fetch') calls.push(new URL(request.url()).pathname) })
  proxy.heal()
  await inChat(far)
  await far.waitForSelector('text="after"')
  t.same(await chatOf(far), ['before', '[While you were away]', 'after'])
  await far.waitForSelector(`${id('task')}[data-status="done"]`)
  t.equal(await far.locator(question).count(), 0)
  t.match(await far.locator(questionNote).textContent(), /Answered in another window/)
  t.notOk(calls.includes('/chat/messages'), 'the chat came by the socket')
  t.equal(await far.locator(id('recovery-notice')).isVisible(), false)
})

t.test('a page that was away shows the announcement made meanwhile, also after a reload', async (t) => {
  const { origin } = await startExample(t)
  const [ann, admin] = [await openPage(t, browser, origin), await openPage(t, browser, origin)]
  await signIn(ann, 'ann')
  await signIn(admin, 'admin')
  await ann.goto('about:blank')
  await admin.fill(id('announcement-input'), 'tea is ready')
  await admin.click(id('announcement-send'))
  await admin.waitForSelector(id('announcement'))
  await ann.goto(origin)
  await ann.waitForSelector(id('announcement'))
  await ann.reload()
  await inChat(ann)
  t.match(await ann.locator(id('announcement')).allTextContents(), [/tea is ready/])

  await ann.click(id('sign-out'))
  await signIn(ann, 'ben')
  await inChat(ann)
  t.equal(await ann.locator(id('announcement')).count(), 0, 'it is not kept for somebody else')
})
