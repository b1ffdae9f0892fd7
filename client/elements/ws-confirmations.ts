import { h, setText } from './dom.js'
import type { ElementClient, Question } from './element-client.js'
import { WsElement } from './element.js'
import { QuestionCard, type CardHost } from './question-card.js'

const TICK_MS = 1_000

/**
 * `<ws-confirmations>`: the questions that wait for the user, each with the form of its answer. Entered answers stay when the list changes.
 *
 * Attributes: `heading-level` (default 3), `no-comment`, `time-zone`, `lang`. Event: `ws-answer` with `{ id, proceed }` when the server
 * has taken an answer.
 */
export class WsConfirmationsElement extends WsElement {
  static readonly observedAttributes = ['heading-level', 'no-comment', 'time-zone', 'lang']
  readonly #cards = new Map<string, QuestionCard>()
  readonly #list = h('div', { class: 'list', part: 'list' })
  readonly #note = h('p', { class: 'note muted', part: 'note', role: 'status', tabindex: -1 })
  readonly #empty = h('p', { class: 'muted', part: 'empty' })
  readonly #spoken = h('p', { class: 'hidden', role: 'status' })
  readonly #answered = new Set<string>()

  protected start (client: ElementClient | null, isSame: boolean): () => void {
    const { words } = this
    // Entered answers stay when the element is only moved.
    if (!isSame) {
      this.#cards.clear()
      this.#list.replaceChildren()
      setText(this.#note, '')
    }
    setText(this.#empty, words.noQuestions)
    if (this.root.childElementCount === 0) this.root.append(this.#note, this.#list, this.#empty, this.#spoken)
    this.#show(client?.confirmations.list ?? [])
    const off = client?.confirmations.on('change', (list) => this.#show(list))
    const timer = setInterval(() => this.#tick(), TICK_MS)
    return () => {
      clearInterval(timer)
      off?.()
    }
  }

  #show (list: readonly Question[]): void {
    const had = this.#focused
    const open = new Set(list.map(({ id }) => id))
    for (const [id, card] of [...this.#cards]) if (!open.has(id)) this.#remove(id, card)
    const added = list.filter(({ id }) => !this.#cards.has(id))
    list.forEach((question, i) => {
      const card = this.#cardOf(question)
      // A card that is moved would lose the focus; those that are here already keep their order.
      if (this.#list.children[i] !== card.element) this.#list.insertBefore(card.element, this.#list.children[i] ?? null)
    })
    this.#empty.hidden = list.length > 0
    if (added.length > 0) setText(this.#spoken, added.length === 1 ? this.words.newQuestion(added[0]!.question) : this.words.newQuestions(this.#number(added.length)))
    if (had !== null && !had.element.isConnected) this.#focusAfter()
  }

  #cardOf (question: Question): QuestionCard {
    const known = this.#cards.get(question.id)
    if (known !== undefined) {
      if (known.question !== question) known.update(question)
      return known
    }
    const card = new QuestionCard(question, this.#host)
    this.#cards.set(question.id, card)
    return card
  }

  #remove (id: string, card: QuestionCard): void {
    this.#cards.delete(id)
    card.element.remove()
    // A question that is being answered leaves the list before the reply comes.
    if (!card.isSending) this.#tellEnd(card.question, this.#answered.delete(id))
  }

  #tellEnd ({ question }: Question, isAnswered: boolean): void {
    setText(this.#note, isAnswered ? this.words.answered(question) : this.words.ended(question))
  }

  get #host (): CardHost {
    return {
      words: this.words,
      lang: this.language,
      timeZone: this.timeZone,
      headingLevel: this.getAttribute('heading-level') ?? '3',
      hasComment: !this.hasAttribute('no-comment'),
      answered: (question, proceed) => {
        const { id } = question
        if (this.#cards.has(id)) this.#answered.add(id)
        else this.#tellEnd(question, true)
        this.dispatchEvent(new CustomEvent('ws-answer', { bubbles: true, composed: true, detail: { id, proceed } }))
      },
      refused: (question) => { if (!this.#cards.has(question.id)) this.#tellEnd(question, false) }
    }
  }

  get #focused (): QuestionCard | null {
    const { activeElement } = this.root
    return [...this.#cards.values()].find(({ element }) => element.contains(activeElement)) ?? null
  }

  /** Moves the focus on when the question that had it is gone. */
  #focusAfter (): void {
    const [next] = this.#cards.values()
    if (next === undefined) this.#note.focus()
    else next.focus()
  }

  #tick (): void {
    for (const card of this.#cards.values()) {
      const said = card.tick()
      if (said !== null) setText(this.#spoken, `${card.question.question} ${said}`)
    }
  }

  #number (value: number): string {
    return new Intl.NumberFormat(this.language).format(value)
  }
}
