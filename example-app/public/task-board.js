import { showFailure, speak } from './notices.js'
import { TaskCard } from './task-card.js'

const CHECK_EVERY_MS = 5_000
// A running task says that it is alive every 5 s.
const SILENT_MS = 15_000

export class TaskBoard {
  #session
  #identity
  #onCard
  #cards = new Map()
  #list = document.getElementById('task-list')
  #empty = document.getElementById('tasks-empty')
  #emptyText = document.getElementById('tasks-empty-text')
  #reload = document.getElementById('tasks-reload')
  #start = document.getElementById('start-task')
  #startNotice = document.getElementById('start-notice')
  // Counts live frames, so that a snapshot can tell what happened after it was asked for.
  #tick = 0
  #isLoading = false
  #isStale = false
  // Whether every change since the last load has come, or will come, as a frame.
  #isFollowed = false

  frames = {
    task_progress: (frame) => this.#progress(frame),
    task_log: (frame) => this.#known(frame, (card, tick) => card.log.add(frame, tick)),
    task_done: (frame) => this.#known(frame, (card, tick) => this.#done(card, frame, tick)),
    task_cancelled: (frame) => this.#known(frame, (card, tick) => this.#cancelled(card, frame, tick)),
    heartbeat: (frame) => this.#known(frame, (card) => card.beat())
  }

  // onCard(taskId): a card was made, its place for questions is questionPlace(taskId).
  constructor ({ session, identity, onCard }) {
    this.#session = session
    this.#identity = identity
    this.#onCard = onCard
    this.#start.addEventListener('click', () => this.#startTask())
    this.#reload.addEventListener('click', () => this.load())
    setInterval(() => this.#check(), CHECK_EVERY_MS)
  }

  get isLoaded () { return this.#empty.dataset.loaded === 'true' }

  questionPlace (taskId) {
    return this.#cards.get(taskId)?.questions ?? null
  }

  // Frames are missing that cannot be had any more.
  lost () {
    this.#isFollowed = false
  }

  loadMissing () {
    if (!this.#isFollowed) this.load()
  }

  async load ({ quietly = false } = {}) {
    if (!this.#session.isOpen) return
    if (this.#isLoading) {
      this.#isStale = true
      return
    }
    this.#isLoading = true
    const since = this.#tick
    try {
      const { tasks, complete } = await this.#session.call('GET', '/tasks')
      this.#restore(tasks, since, complete)
      this.#isFollowed = !this.#isStale
      this.#showEmpty('No tasks yet. Start an import and follow it here.', { isLoaded: true })
    } catch (error) {
      this.#showEmpty('The tasks could not be loaded.', { isLoaded: this.isLoaded, canRetry: true })
      if (!quietly) showFailure('The tasks could not be loaded', error)
    } finally {
      this.#isLoading = false
      if (this.#isStale) {
        this.#isStale = false
        this.load()
      }
    }
  }

  reset () {
    this.#cards.clear()
    this.#list.replaceChildren()
    this.#isStale = false
    this.#isFollowed = false
    this.#start.ariaDisabled = 'false'
    this.#showStartNotice(null)
    this.#showEmpty('Loading tasks…', {})
  }

  async #startTask () {
    if (this.#start.ariaDisabled === 'true') return
    this.#start.ariaDisabled = 'true'
    this.#showStartNotice(null)
    try {
      const since = this.#tick
      const record = await this.#session.call('POST', '/tasks', {})
      this.#card(record.task_id).restore({ status: 'running', progress: 0, message: null, ...record }, since)
    } catch (error) {
      // A limit is no failure: it is said where the button is, for as long as it holds.
      if (error.status === 429) this.#showStartNotice(error.message)
      else showFailure('The import could not be started', error)
    } finally {
      this.#start.ariaDisabled = 'false'
    }
  }

  async #cancelTask (taskId) {
    try {
      await this.#session.call('DELETE', `/tasks/${encodeURIComponent(taskId)}`)
    } catch (error) {
      showFailure('The task could not be cancelled', error)
    }
    await this.load()
  }

  // The server that a task runs on may be gone, and nobody left to say so.
  #check () {
    const isSilent = (card) => card.status === 'running' && performance.now() - card.heardAt > SILENT_MS
    if ([...this.#cards.values()].some(isSilent)) this.load({ quietly: true })
  }

  // isComplete: whether a task that is not among the records is known to nobody.
  #restore (records, since, isComplete) {
    const ids = new Set(records.map((record) => record.task_id))
    for (const record of [...records].sort((one, other) => one.started_at - other.started_at)) {
      this.#card(record.task_id).restore(record, since)
    }
    for (const [taskId, card] of isComplete ? this.#cards : []) {
      if (card.status === 'running' && card.touched <= since && !ids.has(taskId)) {
        card.change({ status: 'failed', error: 'The server no longer knows this task.' }, this.#tick)
      }
    }
    this.#sort()
  }

  // Moves only what is out of place: moving a card costs it focus and scroll position.
  #sort () {
    const wanted = [...this.#cards.values()].sort((one, other) => other.startedAt - one.startedAt)
    wanted.forEach((card, index) => {
      const there = this.#list.children[index]
      if (there !== card.root) this.#list.insertBefore(card.root, there)
    })
  }

  #card (taskId) {
    let card = this.#cards.get(taskId)
    if (!card) {
      card = new TaskCard(taskId, { onCancel: (id) => this.#cancelTask(id) })
      this.#cards.set(taskId, card)
      this.#list.prepend(card.root)
      this.#empty.hidden = true
      this.#onCard(taskId)
    }
    return card
  }

  #progress ({ task_id: taskId, title, progress, message }) {
    const isNew = !this.#cards.has(taskId)
    const card = this.#card(taskId)
    // A frame of a finished task is late, not news.
    if (card.status !== 'running') return
    card.change({ title, progress, message }, ++this.#tick)
    if (isNew && progress === 0) speak(`${card.title} started`)
    // Opened in the middle: the lines and the start before this frame are known only to the server.
    if (isNew && progress > 0) this.load()
  }

  #known ({ task_id: taskId }, change) {
    const card = this.#cards.get(taskId)
    if (card) change(card, ++this.#tick)
    else this.load()
  }

  #done (card, { status, result, error, finished_at: finishedAt }, tick) {
    const changes = { status, result, error, finished_at: finishedAt }
    if (status === 'done') changes.progress = 100
    card.change(changes, tick)
    this.#showStartNotice(null)
    speak(`${card.title}: ${status}`)
  }

  #cancelled (card, { cancelled_by: by, timestamp }, tick) {
    const note = {
      you: 'Cancelled by you',
      window: 'Cancelled in another window',
      other: `Cancelled by ${by?.user_id}`
    }[this.#identity.relation(by)] ?? 'Cancelled'
    card.change({ status: 'cancelled', note, finished_at: timestamp }, tick)
    this.#showStartNotice(null)
    speak(`${card.title}: cancelled`)
  }

  #showStartNotice (text) {
    this.#startNotice.hidden = text === null
    this.#startNotice.textContent = text
  }

  #showEmpty (text, { isLoaded = false, canRetry = false }) {
    this.#empty.dataset.loaded = isLoaded
    this.#empty.hidden = this.#cards.size > 0
    this.#emptyText.textContent = text
    this.#reload.hidden = !canRetry
  }
}
