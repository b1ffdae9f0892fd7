import { Type } from '@sinclair/typebox'
import type { Page } from 'playwright-core'
import t from 'tap'
import type { TestApp } from '../../fixtures/app.js'
import { startBrowser } from '../../fixtures/browser.js'
import { openElements } from '../../fixtures/elements-page.js'

const browser = await startBrowser(t)

const LIST = '<ws-confirmations></ws-confirmations>'

/** Asks alice. */
function ask (server: TestApp, message: string, options: { answer?: object, data?: object, timeoutMs?: number } = {}) {
  return server.app.ws.confirmations.ask({ kind: 'app.question', to: { user: 'alice' }, message, ...options })
}

const card = (page: Page, question: string) => page.locator('article', { hasText: question })

/** What the field of a label says is wrong with it, as a screen reader would say it. */
async function faultOf (page: Page, label: string): Promise<string> {
  return page.getByLabel(label, { exact: true }).evaluate((input) => {
    const ids = (input.getAttribute('aria-describedby') ?? '').split(' ')
    return ids.map((id) => (input.getRootNode() as ShadowRoot).getElementById(id)).filter((element) => element?.className === 'error').map((element) => element!.textContent).join()
  })
}

const focused = (page: Page) => page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.textContent || (document.activeElement?.shadowRoot?.activeElement as HTMLInputElement | null)?.labels?.[0]?.textContent)

t.test('every kind of field is filled in by its label, and the answer has the right types', async (t) => {
  const { server, page } = await openElements(t, browser, LIST)
  const literals = (...names: string[]) => Type.Union(names.map((name) => Type.Literal(name.toLowerCase(), { title: name })))
  const question = await ask(server, 'How shall it be?', {
    answer: Type.Object({
      name: Type.String({ title: 'Name', description: 'As it is called', minLength: 2, maxLength: 20, pattern: '^[a-z]+$' }),
      reason: Type.String({ title: 'Reason', maxLength: 500 }),
      amount: Type.Number({ title: 'Amount', minimum: 0 }),
      count: Type.Integer({ title: 'Count' }),
      urgent: Type.Boolean({ title: 'Urgent' }),
      agreed: Type.Optional(Type.Boolean({ title: 'Agreed' })),
      terms: Type.Literal(true, { title: 'I accept the terms' }),
      action: { ...literals('Import', 'Skip'), title: 'Action' },
      color: { ...literals('Red', 'Green', 'Blue', 'Black', 'White', 'Grey'), title: 'Color' },
      days: Type.Array(literals('Monday', 'Tuesday', 'Friday'), { title: 'Days', minItems: 1 }),
      due: Type.String({ title: 'Due', format: 'date' }),
      at: Type.String({ title: 'At', format: 'date-time' }),
      mail: Type.String({ title: 'Mail', format: 'email' }),
      note: Type.Optional(Type.String({ title: 'Note' })),
      preset: Type.String({ title: 'Preset', default: 'as it was' }),
      address: Type.Object({ town: Type.String({ title: 'Town' }) }, { title: 'Address' }),
      more: Type.Array(Type.Integer(), { title: 'More' })
    })
  })
  await page.getByLabel('Name', { exact: true }).fill('anna')
  await page.getByLabel('Reason').fill('Because\nof it')
  await page.getByLabel('Amount').fill('1.5')
  await page.getByLabel('Count').fill('-3')
  await page.getByLabel('Urgent').check()
  await page.getByLabel('Agreed').selectOption('No')
  await page.getByLabel('I accept the terms').check()
  await page.getByRole('radiogroup', { name: 'Action' }).getByLabel('Skip').check()
  await page.getByLabel('Color').selectOption('Blue')
  await page.getByRole('group', { name: 'Days' }).getByLabel('Friday').check()
  await page.getByRole('group', { name: 'Days' }).getByLabel('Monday').check()
  await page.getByLabel('Due').fill('2026-12-24')
  await page.getByLabel('At', { exact: true }).fill('2026-12-24T18:30')
  await page.getByLabel('Mail').fill('anna@example.com')
  await page.getByRole('group', { name: 'Address' }).getByLabel('Town').fill('Ulm')
  await page.getByLabel('More').fill('[1, 2]')
  await page.getByLabel('Comment').fill('Looks good')
  const notes = await page.evaluateHandle(() => {
    const note = document.querySelector('ws-confirmations')!.shadowRoot!.querySelector('.note')!
    const notes: string[] = []
    new MutationObserver(() => { notes.push(note.textContent!) }).observe(note, { childList: true })
    return notes
  })
  await page.getByRole('button', { name: 'Send answer' }).click()
  const at = await page.evaluate(() => new Date('2026-12-24T18:30').toISOString())
  t.match(await question.settled(), {
    outcome: 'confirmed',
    feedback: 'Looks good',
    answer: {
      name: 'anna',
      reason: 'Because\nof it',
      amount: 1.5,
      count: -3,
      urgent: true,
      agreed: false,
      terms: true,
      action: 'skip',
      color: 'blue',
      days: ['monday', 'friday'],
      due: '2026-12-24',
      at,
      mail: 'anna@example.com',
      preset: 'as it was',
      address: { town: 'Ulm' },
      more: [1, 2]
    }
  })
  await page.locator('[part=note]').getByText('Your answer was sent: How shall it be?').waitFor()
  t.strictSame(await notes.jsonValue(), ['Your answer was sent: How shall it be?'])
})

t.test('faults are beside their fields: those that the page sees before sending, and those of the server', async (t) => {
  const { server, page } = await openElements(t, browser, LIST)
  const question = await ask(server, 'Who?', {
    answer: Type.Object({
      note: Type.Optional(Type.String({ title: 'Note' })),
      mail: Type.String({ title: 'Mail', format: 'email' }),
      count: Type.Integer({ title: 'Count', maximum: 1_000 }),
      free: Type.Array(Type.Integer(), { title: 'Free' })
    })
  })
  const send = page.getByRole('button', { name: 'Send answer' })
  await send.click()
  await page.getByRole('alert').getByText('3 fields need your attention.').waitFor()
  t.equal(await focused(page), 'Mail')
  t.equal(await faultOf(page, 'Mail'), 'Please fill in this field.')
  t.equal(await page.getByLabel('Mail').getAttribute('aria-invalid'), 'true')
  await page.getByLabel('Mail').fill('nobody')
  t.equal(await faultOf(page, 'Mail'), '', 'a fault goes when the field changes')
  t.equal(await page.getByLabel('Mail').getAttribute('aria-invalid'), null)
  await page.getByLabel('Count').fill('2000')
  await page.getByLabel('Free').fill('[1,')
  await page.getByLabel('Count').press('Enter')
  await page.getByRole('alert').getByText('2 fields need your attention.').waitFor()
  t.equal(await focused(page), 'Count')
  t.equal(await faultOf(page, 'Count'), 'Please enter 1,000 or less.')
  t.equal(await faultOf(page, 'Free'), 'This is not valid JSON.')
  await page.getByLabel('Count').fill('7')
  await page.getByLabel('Free').fill('[1, "two"]')
  await send.click()
  await page.getByText('Expected integer').waitFor()
  t.equal(await focused(page), 'Mail', 'the server has found this one')
  t.match(await faultOf(page, 'Mail'), /email/)
  t.equal(await faultOf(page, 'Free'), 'Expected integer', 'a fault within a field is the field\'s')
  await page.getByRole('alert').getByText('2 fields need your attention.').waitFor()
  await page.getByLabel('Free').fill('[1, 2]')
  await page.getByLabel('Mail').fill('a@example.com')
  await send.click()
  t.match(await question.settled(), { outcome: 'confirmed', answer: { mail: 'a@example.com', count: 7, free: [1, 2] } })
})

t.test('an entered answer and the focus stay when other questions come and end', async (t) => {
  const { server, page } = await openElements(t, browser, LIST)
  const answer = Type.Object({ text: Type.String({ title: 'Text' }) })
  const first = await ask(server, 'The first?')
  await ask(server, 'The second?', { answer })
  await page.getByLabel('Text').fill('half a sen')
  await server.app.ws.confirmations.cancel(first.callbackId)
  await page.getByRole('status').getByText('This question has ended: The first?').waitFor()
  await ask(server, 'The third?')
  await card(page, 'The third?').waitFor()
  await page.getByRole('status').getByText('New question: The third?').waitFor()
  await page.evaluate(() => { document.querySelector('main')!.append(document.querySelector('ws-confirmations')!) })
  t.equal(await page.getByLabel('Text').inputValue(), 'half a sen', 'also when the element is moved')
  t.strictSame(await page.locator('article [part=heading]').allTextContents(), ['The second?', 'The third?'])
})

t.test('the focus goes to the next question when one is answered, and to the note after the last', async (t) => {
  const { server, page } = await openElements(t, browser, LIST)
  const first = await ask(server, 'The first?')
  const second = await ask(server, 'The second?')
  await card(page, 'The second?').waitFor()
  await card(page, 'The first?').getByRole('button', { name: 'Decline' }).click()
  t.match(await first.settled(), { outcome: 'declined' })
  await card(page, 'The first?').waitFor({ state: 'detached' })
  t.equal(await focused(page), 'The second?')
  await page.keyboard.press('Tab')
  await page.keyboard.type('Go')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  t.match(await second.settled(), { outcome: 'confirmed', feedback: 'Go' })
  await page.getByText('No questions are waiting for you.').waitFor()
  await page.locator('[part=note]').getByText('Your answer was sent: The second?').waitFor()
  t.equal(await focused(page), 'Your answer was sent: The second?')
})

t.test('facts are shown, the deadline is told, and a question whose time is up takes no answer', async (t) => {
  const { server, page } = await openElements(t, browser, LIST)
  const question = await ask(server, 'Still there?', { data: { row: 7, is_new: true, tags: ['a', 'b'] }, timeoutMs: 1_500 })
  t.strictSame(await page.locator('dt').allTextContents(), ['row', 'is new', 'tags'])
  await page.locator('[part=time]', { hasText: /^(Stops|Continues) by itself in \d seconds?, at \d+:\d\d [AP]M\.$/ }).waitFor()
  t.match(await question.settled(), { outcome: 'expired' })
  await page.getByRole('status').getByText('This question has ended: Still there?').waitFor()
})

t.test('a deadline is announced a few times only, and another deadline keeps what is entered', async (t) => {
  const { page } = await openElements(t, browser, LIST)
  await page.evaluate(() => {
    const question = (deadline: number) => ({
      id: '1',
      kind: null,
      question: 'Still there?',
      data: null,
      result: null,
      taskId: null,
      step: 1,
      onTimeout: 'cancel' as const,
      isUncertain: false,
      expiresAt: deadline,
      answerSchema: { type: 'object', properties: { text: { type: 'string', title: 'Text' } } },
      get remainingMs () { return deadline - Date.now() },
      answer: async () => {},
      decline: async () => {}
    })
    const state = { said: [] as string[], extend: () => {} }
    const element = document.querySelector('ws-confirmations')!
    const spoken = element.shadowRoot!.querySelector('.hidden')!
    new MutationObserver(() => { state.said.push(spoken.textContent!) }).observe(spoken, { childList: true })
    element.client = {
      confirmations: {
        list: [question(Date.now() + 60_400)],
        on: (_event, listener) => {
          state.extend = () => { listener([question(Date.now() + 3_600_000)]) }
          return () => {}
        }
      },
      tasks: { get: () => undefined, on: () => () => {} },
      serverNow: 0,
      on: () => () => {},
      call: async () => {}
    }
    Object.assign(window, { state })
  })
  await page.getByLabel('Text').fill('half a sen')
  const said = () => page.evaluate(() => (window as unknown as { state: { said: string[] } }).state.said)
  await page.getByText('Stops by itself in 59 seconds').waitFor()
  t.match(await said(), ['New question: Still there?', /^Still there\? Stops by itself in (59|60) seconds/])
  t.equal((await said()).length, 2)
  await page.evaluate(() => (window as unknown as { state: { extend: () => void } }).state.extend())
  await page.getByText(/Stops by itself in (59|60) minutes/).waitFor()
  t.equal(await page.getByLabel('Text').inputValue(), 'half a sen')
})

t.test('texts, language and time zone are the page\'s', async (t) => {
  const { server, page } = await openElements(t, browser, '<ws-confirmations lang="de" time-zone="Asia/Tokyo" no-comment heading-level="2"></ws-confirmations>')
  await page.evaluate(() => {
    const { defineElements } = window as unknown as { defineElements: (options: object) => void }
    defineElements({ texts: { answer: 'Senden', faults: { required: () => 'Bitte ausfüllen.' }, timeLeft: (remaining: string, deadline: string) => `Noch ${remaining}, bis ${deadline}` } })
    document.querySelector('ws-confirmations')!.texts = { answer: 'Abschicken' }
  })
  const { callbackId } = await ask(server, 'Wann?', { answer: Type.Object({ at: Type.String({ title: 'Zeit', format: 'date-time', default: '2026-11-30T00:00:00Z' }), text: Type.String({ title: 'Text' }) }), timeoutMs: 3_600_000 })
  await page.getByRole('heading', { name: 'Wann?', level: 2 }).waitFor()
  t.equal(await page.getByLabel('Zeit').inputValue(), '2026-11-30T09:00')
  await page.getByRole('button', { name: 'Abschicken' }).click()
  t.equal(await faultOf(page, 'Text'), 'Bitte ausfüllen.')
  const { expires_at: expiresAt } = (await server.app.ws.confirmations.get(callbackId))!
  const deadline = new Intl.DateTimeFormat('de', { timeZone: 'Asia/Tokyo', timeStyle: 'short' }).format(expiresAt)
  await page.getByText(new RegExp(`^Noch (59|60) Minuten, bis ${deadline}$`)).waitFor()
  t.equal(await page.getByLabel('Comment').isVisible(), false)
})
