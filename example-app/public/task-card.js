import { clockTime, elapsed } from './durations.js'
import { facts, isEmpty } from './facts.js'
import { TaskLog } from './task-log.js'
import { stamp } from './template.js'

const STATUS_TEXT = { running: 'Running', done: 'Done', failed: 'Failed', cancelled: 'Cancelled' }

export class TaskCard {
  touched = 0
  heardAt = performance.now()
  #parts
  #state
  #cancelling = false

  constructor (taskId, { onCancel }) {
    const { root, parts } = stamp('task-template')
    this.root = root
    this.#parts = parts
    this.log = new TaskLog(parts)
    this.#state = { task_id: taskId, title: null, status: 'running', progress: 0, message: null, started_at: Date.now() }
    parts.title.id = `task-${taskId}`
    root.dataset.taskId = taskId
    root.setAttribute('aria-labelledby', parts.title.id)
    parts.progress.setAttribute('aria-labelledby', parts.title.id)
    parts.pulse.addEventListener('animationend', () => parts.pulse.classList.remove('beat'))
    parts.cancel.addEventListener('click', () => this.#cancel(onCancel))
  }

  get taskId () { return this.#state.task_id }
  get title () { return this.#state.title ?? 'Task' }
  get status () { return this.#state.status }
  get startedAt () { return this.#state.started_at }
  get questions () { return this.#parts.questions }

  change (changes, tick) {
    this.touched = tick
    this.heardAt = performance.now()
    Object.assign(this.#state, changes)
    this.#render()
  }

  // Takes a record of the server that was asked for at `since`. What a frame said later stays, unless the record is final.
  restore (record, since) {
    const isOlder = this.touched > since && record.status === 'running'
    const { status, progress, message, result, error } = isOlder ? this.#state : record
    const { title, started_at: startedAt, finished_at: finishedAt } = record
    Object.assign(this.#state, { title, status, progress, message, result, error })
    if (Number.isFinite(startedAt)) this.#state.started_at = startedAt
    if (Number.isFinite(finishedAt)) this.#state.finished_at = finishedAt
    if (record.logs) this.log.restore(record.logs, since)
    this.#render()
  }

  beat () {
    this.heardAt = performance.now()
    this.#parts.pulse.classList.remove('beat')
    // Reading a layout value makes the browser notice the removal, without it the animation would not start again.
    this.#parts.pulse.getBoundingClientRect()
    this.#parts.pulse.classList.add('beat')
  }

  async #cancel (onCancel) {
    if (this.#cancelling) return
    this.#cancelling = true
    this.#render()
    await onCancel(this.taskId)
    this.#cancelling = false
    this.#render()
  }

  #render () {
    const { root, title } = this
    const parts = this.#parts
    const { status, message, note, error, result } = this.#state
    const progress = Number(this.#state.progress) || 0
    const isRunning = status === 'running'
    root.dataset.status = status
    parts.title.textContent = title
    parts.status.textContent = STATUS_TEXT[status] ?? status
    parts.progress.value = progress
    parts.percent.textContent = `${Math.round(progress)} %`
    parts.message.textContent = note ?? message ?? ''
    parts.time.textContent = this.#timeText()
    show(parts.error, error)
    parts.error.textContent = error ?? ''
    show(parts.result, result)
    parts.result.replaceChildren(...(isEmpty(result) ? [] : [facts(result)]))
    // A focused button that vanishes would throw the keyboard back to the top of the page.
    if (!isRunning && document.activeElement === parts.cancel) root.focus()
    parts.cancel.hidden = !isRunning
    // Not `disabled`, which would take the focus away from a button that was just pressed.
    parts.cancel.ariaDisabled = String(this.#cancelling)
    parts.cancel.textContent = this.#cancelling ? 'Cancelling…' : 'Cancel'
    parts.cancel.setAttribute('aria-label', `Cancel ${title}`)
  }

  #timeText () {
    const { started_at: startedAt, finished_at: finishedAt } = this.#state
    const started = `Started ${clockTime(startedAt)}`
    return finishedAt ? `${started} · ${elapsed(Math.max(0, finishedAt - startedAt))}` : started
  }
}

function show (element, value) {
  element.hidden = isEmpty(value)
}
