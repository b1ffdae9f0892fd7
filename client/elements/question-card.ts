import { WsError } from '../errors.js'
import { AnswerForm, type Fault } from './answer-form.js'
import type { FormContext } from './controls.js'
import { h, newId, setAttribute, setText } from './dom.js'
import { durationText, isAnnounced } from './durations.js'
import type { Question } from './element-client.js'
import { factsOf } from './facts.js'

/** The list that a card is in: its settings, and the callbacks that the card calls. */
export interface CardHost extends FormContext {
  lang: string
  headingLevel: string
  hasComment: boolean
  /** The server has taken the answer. The question may be gone from the list before. */
  answered: (question: Question, isProceeding: boolean) => void
  /** The server has not. */
  refused: (question: Question) => void
}

/** `over`: the time is up. */
type CardState = 'open' | 'sending' | 'sent' | 'over'

/** Characters; the limit of the protocol. */
const MAX_COMMENT = 10_000

/** A question with its form. */
export class QuestionCard {
  readonly element: HTMLElement
  readonly #host: CardHost
  readonly #heading: HTMLElement
  readonly #time = h('p', { class: 'muted', part: 'time' })
  readonly #uncertain = h('p', { class: 'muted', part: 'uncertain', hidden: true })
  readonly #facts = h('div', { part: 'facts' })
  readonly #body = h('div')
  readonly #comment: HTMLTextAreaElement
  readonly #alert = h('p', { class: 'alert', part: 'alert', role: 'alert' })
  readonly #status = h('p', { class: 'status muted', part: 'status', role: 'status' })
  readonly #buttons: HTMLButtonElement[]
  #question: Question
  #form: AnswerForm | null = null
  #schema = ''
  #remainingMs = Number.POSITIVE_INFINITY
  #state: CardState = 'open'

  constructor (question: Question, host: CardHost) {
    const { words } = host
    this.#host = host
    this.#question = question
    this.#heading = h('p', { id: newId('question'), class: 'heading', part: 'heading', role: 'heading', 'aria-level': host.headingLevel, tabindex: -1 })
    this.#comment = h('textarea', { id: newId('comment'), part: 'input', rows: 2, maxlength: MAX_COMMENT })
    const label = h('label', { for: this.#comment.id, part: 'label' }, words.comment, ' ', h('span', { class: 'optional' }, `(${words.optional})`))
    const proceed = h('button', { type: 'submit', class: 'primary', part: 'button answer' }, question.answerSchema === null ? words.proceed : words.answer)
    const decline = h('button', { type: 'button', part: 'button decline' }, words.decline)
    this.#buttons = [proceed, decline]
    const form = h('form', { novalidate: true, part: 'form' }, this.#body,
      h('div', { class: 'field', part: 'field', hidden: !host.hasComment }, label, this.#comment), this.#alert, this.#status, h('div', { class: 'buttons', part: 'buttons' }, proceed, decline))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#send(true)
    })
    decline.addEventListener('click', () => { this.#send(false) })
    this.element = h('article', { class: 'card', part: 'question', 'aria-labelledby': this.#heading.id }, this.#heading, this.#time, this.#uncertain, this.#facts, form)
    this.update(question)
  }

  get question (): Question {
    return this.#question
  }

  get isSending (): boolean {
    return this.#state === 'sending'
  }

  /** Shows a newer version of the question. The entered answer stays, unless the schema has changed. */
  update (question: Question): void {
    const { words, lang } = this.#host
    this.#question = question
    setText(this.#heading, question.question)
    setText(this.#uncertain, words.uncertain)
    this.#uncertain.hidden = !question.isUncertain
    const facts = factsOf(question.data, words)
    const result = factsOf(question.result, words)
    this.#facts.replaceChildren(
      ...facts === null ? [] : [h('p', { class: 'muted', part: 'caption' }, words.facts), facts],
      ...result === null ? [] : [h('p', { class: 'muted', part: 'caption' }, words.result), result]
    )
    this.#facts.hidden = facts === null && result === null
    const schema = JSON.stringify(question.answerSchema)
    if (schema !== this.#schema) {
      this.#schema = schema
      this.#form = question.answerSchema === null ? null : new AnswerForm(question.answerSchema, this.#host, lang)
      this.#body.replaceChildren(...this.#form === null ? [] : [this.#form.element])
      this.#body.hidden = this.#form === null
    }
    this.tick()
  }

  /** Shows the time left. Returns the text to be announced; null: none. */
  tick (): string | null {
    const { words, lang, timeZone } = this.#host
    const { remainingMs, expiresAt, onTimeout } = this.#question
    const isOver = remainingMs <= 0
    const sameDay = remainingMs < 12 * 3_600_000
    const deadline = new Intl.DateTimeFormat(lang, { timeZone, timeStyle: 'short', ...!sameDay && { dateStyle: 'medium' } }).format(expiresAt)
    const text = isOver ? words.timeUp : words.timeLeft(durationText(remainingMs, lang), deadline, onTimeout)
    const isTold = isAnnounced(this.#remainingMs, remainingMs)
    this.#remainingMs = remainingMs
    setText(this.#time, text)
    if (isOver && this.#state === 'open') this.#set('over')
    else if (!isOver && this.#state === 'over') this.#set('open')
    return isTold && this.#state === 'open' ? text : null
  }

  focus (): void {
    this.#heading.focus()
  }

  async #send (isProceeding: boolean): Promise<void> {
    if (this.#state !== 'open') return
    setText(this.#alert, '')
    const read = isProceeding && this.#form !== null ? this.#form.read() : { answer: undefined }
    if (read === null) return this.#showFaults(this.#form!.faultCount)
    this.#set('sending')
    const question = this.#question
    const comment = this.#comment.value.trim() === '' ? undefined : this.#comment.value.trim()
    try {
      await (isProceeding ? question.answer(read.answer, comment) : question.decline(comment))
      this.#set('sent')
      this.#host.answered(question, isProceeding)
    } catch (error) {
      this.#set('open')
      this.#failed(error as WsError)
      this.#host.refused(question)
    }
  }

  #failed (error: WsError): void {
    const { words } = this.#host
    const faults = faultsOf(error).map(({ path, text }) => ({ path, text: words.serverFault(text) }))
    const others = this.#form?.showFaults(faults) ?? faults
    if (faults.length === 0) setText(this.#alert, words.failed(error))
    else this.#showFaults(faults.length - others.length, others)
  }

  #showFaults (count: number, others: readonly Fault[] = []): void {
    const { words, lang } = this.#host
    const texts = others.map(({ text }) => text)
    if (count > 0) texts.unshift(words.faultCount(count, new Intl.NumberFormat(lang).format(count)))
    setText(this.#alert, texts.join(' '))
    this.#form?.focusFault()
  }

  #set (state: CardState): void {
    this.#state = state
    const { words } = this.#host
    // An answered question soon leaves the list; until then this says why it cannot be answered again.
    setText(this.#status, state === 'sending' ? words.sending : state === 'sent' ? words.answered(this.#question.question) : '')
    // Not `disabled`, which would take the focus away from a button that was just pressed.
    for (const button of this.#buttons) setAttribute(button, 'aria-disabled', state === 'open' ? null : 'true')
  }
}

/** The faults that the server has found in the answer. */
function faultsOf ({ code, details }: WsError): Fault[] {
  if (code !== 'invalid_message' || !Array.isArray(details)) return []
  return details.flatMap((fault: { path?: unknown, message?: unknown } | null) => (
    typeof fault?.path === 'string' && typeof fault.message === 'string' ? [{ path: fault.path, text: fault.message }] : []))
}
