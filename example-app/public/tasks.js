import { showFailure } from './bars.js'
import { ws } from './client.js'
import { byId, durationText, el, handle, timeText } from './dom.js'
import { api } from './session.js'

/** The user's tasks, the newest first, and the button that starts one. */
export function startTasks () {
  const list = byId('task-list')
  const notice = byId('start-notice')
  const items = new Map()
  const tellStart = (text) => {
    notice.hidden = text === ''
    notice.textContent = text
  }
  let running = 0
  const show = (tasks) => {
    const before = running
    running = tasks.filter(({ status }) => status === 'running').length
    // A limit holds until a task ends.
    if (running < before) tellStart('')
    const ids = new Set(tasks.map(({ id }) => id))
    for (const [id, item] of items) {
      if (ids.has(id)) continue
      if (item.element.dataset.status === 'running') showFailure(`“${item.title}” is no longer known to the server, which may have restarted.`)
      item.element.remove()
      items.delete(id)
    }
    for (const task of tasks) {
      if (!items.has(task.id)) {
        items.set(task.id, new TaskItem(task))
        list.prepend(items.get(task.id).element)
      }
      items.get(task.id).show(task)
    }
    byId('tasks-empty').hidden = items.size > 0
  }
  const offs = [ws.tasks.on('change', show), ws.confirmations.on('change', () => show(ws.tasks.list))]
  show(ws.tasks.list)
  handle(byId('start-task'), 'click', async () => {
    tellStart('')
    await api('POST', '/tasks').catch((error) => tellStart(error.message))
  })
  return () => {
    for (const off of offs) off()
    list.replaceChildren()
    tellStart('')
  }
}

class TaskItem {
  #facts = el('p', { class: 'muted' })
  #question = el('a', { href: '#questions-title', class: 'button' }, 'Answer its question')
  #view

  constructor ({ id, title }) {
    this.title = title
    this.#view = el('ws-task', { 'task-id': id, 'no-log': '' })
    const log = el('button', { type: 'button', class: 'quiet', 'aria-expanded': 'false', 'data-testid': 'task-log-button' }, 'Show log')
    log.onclick = () => {
      const isShown = !this.#view.toggleAttribute('no-log')
      log.ariaExpanded = isShown
      log.textContent = isShown ? 'Hide log' : 'Show log'
    }
    this.element = el('li', { class: 'task', 'data-testid': 'task' }, this.#view, el('div', { class: 'row' }, this.#facts, this.#question, log))
  }

  show ({ id, status, startedAt, finishedAt, result }) {
    this.element.dataset.status = status
    this.#question.hidden = !ws.confirmations.list.some(({ taskId }) => taskId === id)
    this.#facts.textContent = [
      `Started ${timeText(startedAt)}`,
      ...finishedAt === null ? [] : [`took ${durationText(finishedAt - startedAt)}`],
      ...result?.rows === undefined ? [] : [`${result.rows.toLocaleString(document.documentElement.lang)} rows imported`]
    ].join(' · ')
  }
}
