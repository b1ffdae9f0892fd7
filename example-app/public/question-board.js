import { showError, showFailure, speak } from './notices.js'
import { QuestionCard } from './question-card.js'

const NO_LONGER_OPEN = 'No longer open'
const LOOSE_OUTCOME_MS = 10_000
// After these the server may still ask the same question again, from another node or after a restart.
const REPEATABLE_OUTCOMES = new Set(['closed', 'aborted'])

export class QuestionBoard {
  #connection
  #session
  #identity
  #placeOf
  #open = new Map()
  #settled = new Set()
  #top = document.getElementById('loose-questions')
  #pageTitle = document.title
  #ticker = null
  #mustCheck = false

  frames = {
    task_step_result: (frame) => this.#ask(frame),
    confirmation_closed: (frame) => this.#close(frame)
  }

  // placeOf(taskId): the element inside the task's card, or null while there is no card.
  constructor ({ connection, session, identity, placeOf }) {
    this.#connection = connection
    this.#session = session
    this.#identity = identity
    this.#placeOf = placeOf
  }

  connected () {
    for (const card of this.#open.values()) card.setConnected(true)
  }

  // Frames are missing that cannot be had any more, and with them perhaps how a question ended.
  lost () {
    this.#mustCheck = this.#open.size > 0
  }

  loadMissing () {
    if (this.#mustCheck) this.#check()
  }

  disconnected () {
    for (const card of this.#open.values()) card.setConnected(false)
  }

  // A card for this task was made: questions that waited above the list move into it.
  adopt (taskId) {
    for (const card of this.#open.values()) {
      if (card.taskId === taskId) this.#place(card)
    }
  }

  reset () {
    this.#mustCheck = false
    this.#open.clear()
    this.#settled.clear()
    this.#top.replaceChildren()
    this.#count()
  }

  async #check () {
    const cards = [...this.#open.values()]
    try {
      const { confirmations } = await this.#session.call('GET', '/ws/confirmations')
      const records = new Map(confirmations.map((record) => [record.callback_id, record]))
      this.#mustCheck = false
      for (const card of cards) {
        const record = records.get(card.callbackId)
        if (!this.#open.has(card.callbackId) || record?.status === 'pending') continue
        if (record) this.#close({ ...record, outcome: record.status })
        else this.#settle(card, NO_LONGER_OPEN)
      }
    } catch (error) {
      showFailure('The questions could not be loaded', error)
    }
  }

  #ask (frame) {
    const { callback_id: callbackId } = frame
    if (this.#settled.has(callbackId)) return
    const known = this.#open.get(callbackId)
    if (known) return known.ask(frame)
    const card = new QuestionCard(frame, { onAnswer: (asked, proceed) => this.#answer(asked, proceed) })
    this.#open.set(callbackId, card)
    this.#place(card)
    this.#count()
    speak(`Question: ${frame.message}`)
  }

  async #answer (card, proceed) {
    const frame = { type: 'confirm', callback_id: card.callbackId, proceed }
    if (proceed && card.answer !== undefined) frame.answer = card.answer
    if (card.feedback) frame.feedback = card.feedback
    card.setSending(true)
    try {
      await this.#connection.request(frame)
    } catch (error) {
      if (!this.#open.has(card.callbackId)) return
      if (error.code === 'already_settled') return this.#close({ ...error.details, callback_id: card.callbackId })
      if (error.code === 'not_found') return this.#settle(card, NO_LONGER_OPEN)
      showError(`The answer was not accepted: ${error.message}`)
    } finally {
      card.setSending(false)
    }
  }

  #close (frame) {
    const card = this.#open.get(frame.callback_id)
    if (!REPEATABLE_OUTCOMES.has(frame.outcome)) this.#settled.add(frame.callback_id)
    if (card) this.#settle(card, this.#outcomeText(card, frame))
  }

  #outcomeText (card, { outcome, proceed, answered_by: by }) {
    if (outcome === 'expired') return proceed ? 'Expired, continued' : 'Expired, stopped'
    if (outcome === 'cancelled') return 'Cancelled before it was answered'
    if (outcome === 'aborted') return 'Taken back by the task'
    if (outcome === 'closed') return 'Closed by the server'
    const choice = proceed === undefined ? '' : `: ${proceed ? card.verb.toLowerCase() : 'stop'}`
    return {
      you: `You answered${choice}`,
      window: `Answered in another window${choice}`,
      other: `Answered by ${by?.user_id}${choice}`
    }[this.#identity.relation(by)] ?? `Answered already${choice}`
  }

  #settle (card, text) {
    const hadFocus = card.hasFocus
    const place = card.root.parentElement
    const outcome = document.createElement('p')
    outcome.className = 'question-outcome'
    outcome.dataset.testid = 'question-outcome'
    outcome.textContent = text
    place.querySelector('.question-outcome')?.remove()
    this.#open.delete(card.callbackId)
    card.root.replaceWith(outcome)
    if (place === this.#top) setTimeout(() => outcome.remove(), LOOSE_OUTCOME_MS)
    // The form is gone; the keyboard goes on from where it was.
    if (hadFocus) (place.closest('.task') ?? document.getElementById('tasks-title')).focus({ preventScroll: true })
    this.#count()
    speak(text)
  }

  #place (card) {
    const place = this.#placeOf(card.taskId) ?? this.#top
    if (card.root.parentElement === place) return
    const focused = card.hasFocus ? document.activeElement : null
    place.append(card.root)
    focused?.focus({ preventScroll: true })
  }

  #count () {
    const count = this.#open.size
    document.title = count > 0 ? `(${count}) ${this.#pageTitle}` : this.#pageTitle
    clearInterval(this.#ticker)
    if (count === 0) return
    this.#showTimes()
    this.#ticker = setInterval(() => this.#showTimes(), 1000)
  }

  #showTimes () {
    for (const card of this.#open.values()) card.showTime(this.#connection.serverNow)
  }
}
