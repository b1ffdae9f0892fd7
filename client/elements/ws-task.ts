import type { WsError } from '../errors.js'
import type { Task } from '../tasks.js'
import { h, setAttribute, setText } from './dom.js'
import type { ElementClient } from './element-client.js'
import { WsElement } from './element.js'

type Line = Task['logs'][number]

/** Distance from the end of the log within which it keeps scrolling. */
const END_PX = 8

/**
 * `<ws-task task-id="…">`: a task of the user with its status, progress, message and log, and a button to cancel it.
 *
 * Attributes: `task-id`, `heading-level` (default 3), `no-log`, `time-zone`, `lang`.
 */
export class WsTaskElement extends WsElement {
  static readonly observedAttributes = ['task-id', 'heading-level', 'no-log', 'time-zone', 'lang']
  readonly #title = h('p', { class: 'heading', part: 'heading', role: 'heading' })
  readonly #status = h('p', { class: 'muted', part: 'status', role: 'status' })
  readonly #progress = h('progress', { part: 'progress', max: 100 })
  readonly #message = h('p', { part: 'message' })
  readonly #log = h('div', { class: 'log', part: 'log', role: 'log', tabindex: 0 })
  readonly #alert = h('p', { class: 'alert', part: 'alert', role: 'alert' })
  readonly #cancel = h('button', { type: 'button', part: 'button cancel' })
  readonly #missing = h('p', { class: 'muted', part: 'empty' })
  readonly #card = h('article', { class: 'card', part: 'task' }, this.#title, this.#status, this.#progress, this.#message, this.#log, this.#alert, h('div', { class: 'buttons', part: 'buttons' }, this.#cancel))
  #lines: readonly Line[] = []
  #task: Task | undefined
  #isCancelling = false

  constructor () {
    super()
    this.#cancel.addEventListener('click', () => { this.#cancelTask() })
  }

  protected start (client: ElementClient | null): () => void {
    const { words } = this
    this.root.append(this.#card, this.#missing)
    setText(this.#missing, words.noTask)
    setText(this.#alert, '')
    this.#title.setAttribute('aria-level', this.getAttribute('heading-level') ?? '3')
    this.#progress.setAttribute('aria-label', words.progress)
    this.#log.setAttribute('aria-label', words.log)
    this.#log.replaceChildren()
    this.#lines = []
    this.#isCancelling = false
    const show = () => this.#show(client?.tasks.get(this.getAttribute('task-id') ?? ''))
    show()
    const off = client?.tasks.on('change', show)
    return () => off?.()
  }

  #show (task: Task | undefined): void {
    this.#card.hidden = task === undefined
    this.#missing.hidden = task !== undefined
    if (task === this.#task && this.#lines === task?.logs) return
    this.#task = task
    if (task === undefined) return
    const { words, language } = this
    const isRunning = task.status === 'running'
    setText(this.#title, task.title ?? task.id)
    setText(this.#status, words.taskStatus[task.status])
    this.#progress.value = task.progress
    this.#progress.textContent = new Intl.NumberFormat(language, { style: 'percent' }).format(task.progress / 100)
    setText(this.#message, task.error ?? task.message ?? '')
    this.#message.hidden = this.#message.textContent === ''
    this.#cancel.hidden = !isRunning
    this.#showButton()
    this.#showLog(this.hasAttribute('no-log') ? [] : task.logs)
  }

  #showButton (): void {
    setText(this.#cancel, this.#isCancelling ? this.words.cancelling : this.words.cancel)
    setAttribute(this.#cancel, 'aria-disabled', this.#isCancelling ? 'true' : null)
  }

  /** Appends what is new, so that only that is read aloud, and stays at the end where the user has read to it. */
  #showLog (lines: readonly Line[]): void {
    const last = this.#lines.at(-1)
    const known = last === undefined ? -1 : lines.lastIndexOf(last)
    const isAtEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < END_PX
    if (known < 0) this.#log.replaceChildren()
    this.#log.append(...lines.slice(known + 1).map((line) => this.#lineOf(line)))
    while (this.#log.childElementCount > lines.length) this.#log.firstElementChild!.remove()
    if (isAtEnd) this.#log.scrollTop = this.#log.scrollHeight
    this.#lines = lines
  }

  #lineOf ({ level, line, timestamp }: Line): HTMLElement {
    const time = new Intl.DateTimeFormat(this.language, { timeZone: this.timeZone, timeStyle: 'medium' }).format(timestamp)
    return h('div', { class: 'line', part: `line ${level}`, 'data-level': level }, h('time', { class: 'muted', datetime: new Date(timestamp).toISOString() }, time), ` ${line}`)
  }

  async #cancelTask (): Promise<void> {
    const task = this.#task
    if (task === undefined || this.#isCancelling) return
    setText(this.#alert, '')
    this.#isCancelling = true
    this.#showButton()
    try {
      await task.cancel()
    } catch (error) {
      if ((error as WsError).code !== 'already_settled' && this.#task?.id === task.id) setText(this.#alert, this.words.failed(error as WsError))
    }
    this.#isCancelling = false
    this.#showButton()
  }
}
