import { AnswerFields } from './answer-fields.js'
import { countdown } from './durations.js'
import { facts, isEmpty } from './facts.js'
import { stamp } from './template.js'

const URGENT_MS = 30_000

export class QuestionCard {
  #parts
  #frame
  #answer
  #isSending = false
  #isConnected = true

  constructor (frame, { onAnswer }) {
    const { root, parts } = stamp('question-template')
    this.root = root
    this.#parts = parts
    root.dataset.callbackId = frame.callback_id
    parts.message.id = `question-${frame.callback_id}`
    parts.feedback.id = `feedback-${frame.callback_id}`
    parts.label.htmlFor = parts.feedback.id
    root.setAttribute('aria-labelledby', parts.message.id)
    root.addEventListener('submit', (event) => {
      event.preventDefault()
      if (this.#canAnswer) onAnswer(this, true)
    })
    parts.stop.addEventListener('click', () => {
      if (this.#canAnswer) onAnswer(this, false)
    })
    this.#answer = new AnswerFields(frame.answer_schema, frame.callback_id)
    parts.answer.replaceChildren(...this.#answer.elements)
    parts.answer.hidden = parts.answer.childElementCount === 0
    this.ask(frame)
  }

  get callbackId () { return this.#frame.callback_id }
  get taskId () { return this.#frame.task_id }
  get message () { return this.#frame.message }
  get verb () { return this.#frame.status === 'failed' ? 'Retry' : 'Continue' }
  get answer () { return this.#answer.value }
  get feedback () { return this.#parts.feedback.value.trim() }
  get hasFocus () { return this.root.contains(document.activeElement) }

  // The same question again, or a newer wording of it: what was typed stays.
  ask (frame) {
    const parts = this.#parts
    this.#frame = frame
    parts.step.textContent = stepText(frame.step)
    parts.message.textContent = frame.message
    parts.error.hidden = !frame.error_code && !frame.error_message
    parts.code.hidden = !frame.error_code
    parts.code.textContent = frame.error_code ?? ''
    parts.reason.textContent = frame.error_message ?? ''
    show(parts.data, frame.data)
    show(parts.result, frame.result)
    parts.proceed.textContent = this.verb
  }

  setSending (isSending) {
    this.#isSending = isSending
    this.#renderButtons()
  }

  setConnected (isConnected) {
    this.#isConnected = isConnected
    this.#renderButtons()
  }

  showTime (now) {
    const { expires_at: expiresAt, on_timeout: onTimeout } = this.#frame
    if (!Number.isFinite(expiresAt)) return
    const leftMs = expiresAt - now
    const { timer } = this.#parts
    timer.classList.toggle('urgent', leftMs < URGENT_MS)
    timer.textContent = leftMs <= 0
      ? 'Time is up'
      : `${onTimeout === 'cancel' ? 'Stops' : 'Continues'} by itself in ${countdown(leftMs)}`
  }

  get #canAnswer () { return this.#isConnected && !this.#isSending }

  #renderButtons () {
    const { proceed, stop, hint } = this.#parts
    // Not `disabled`, which would take the focus away from a button that was just pressed.
    proceed.ariaDisabled = stop.ariaDisabled = String(!this.#canAnswer)
    hint.textContent = this.#isConnected ? '' : 'Not connected. Your answer can be sent once the connection is back.'
  }
}

function show (part, value) {
  part.hidden = isEmpty(value)
  part.replaceChildren(...(isEmpty(value) ? [] : [facts(value)]))
}

function stepText (step) {
  if (step === null || step === undefined || step === '') return 'Question'
  return Number.isFinite(Number(step)) ? `Step ${step}` : String(step).replaceAll('_', ' ')
}
