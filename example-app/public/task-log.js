const MAX_LINES = 500

export class TaskLog {
  #details
  #list
  #count
  #lines = []

  constructor ({ details, log, count }) {
    this.#details = details
    this.#list = log
    this.#count = count
    details.hidden = true
    details.addEventListener('toggle', () => this.#toEnd())
  }

  add (line, tick) {
    // A frame of a snapshot's line can come behind the snapshot.
    if (this.#lines.some((known) => known.isRestored && isSame(known, line))) return
    this.#append([{ ...line, tick }])
  }

  // Takes a snapshot asked for at `since`; lines that came in later are kept behind it.
  restore (snapshot, since) {
    // The server keeps fewer lines than this page may have seen.
    const older = this.#lines.filter((line) => line.timestamp < snapshot[0]?.timestamp)
    const later = this.#lines.filter((line) => line.tick > since && !snapshot.some((known) => isSame(known, line)))
    const wanted = [...older, ...snapshot.map((line) => ({ ...line, tick: since, isRestored: true })), ...later].slice(-MAX_LINES)
    const isPrefix = this.#lines.length <= wanted.length && this.#lines.every((line, index) => isSame(line, wanted[index]))
    if (!isPrefix) {
      this.#list.replaceChildren()
      this.#lines = []
    }
    this.#append(wanted.slice(this.#lines.length))
  }

  #append (lines) {
    if (lines.length === 0) return
    const wasAtEnd = this.#isAtEnd()
    this.#lines.push(...lines)
    this.#list.append(...lines.map(row))
    while (this.#lines.length > MAX_LINES) {
      this.#lines.shift()
      this.#list.firstElementChild.remove()
    }
    this.#details.hidden = false
    this.#count.textContent = this.#lines.length === 1 ? '1 line' : `${this.#lines.length} lines`
    if (wasAtEnd) this.#toEnd()
  }

  #isAtEnd () {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 8
  }

  #toEnd () {
    if (this.#details.open) this.#list.scrollTop = this.#list.scrollHeight
  }
}

function isSame (one, other) {
  return one.timestamp === other.timestamp && one.line === other.line && one.level === other.level
}

function row ({ level, line, timestamp }) {
  const item = document.createElement('li')
  const time = document.createElement('time')
  const text = document.createElement('span')
  const date = new Date(timestamp)
  time.dateTime = date.toISOString()
  time.textContent = date.toTimeString().slice(0, 8)
  text.textContent = level === 'info' ? line : `${level}: ${line}`
  item.dataset.level = level
  item.append(time, text)
  return item
}
