import { clockTime } from './durations.js'
import { stamp } from './template.js'

const MAX_LINES = 200
const GROUP_MS = 120_000

// The messages of the chat and, where some could not be had, notes that say so.
export class ChatLines {
  #session
  #list = document.getElementById('chat-list')
  #scroll = document.getElementById('chat-scroll')
  #empty = document.getElementById('chat-empty')
  #lines = []
  #away = null
  #isAfterAway = false
  #isAtEnd = true
  #lastTop = 0

  constructor ({ session }) {
    this.#session = session
    this.#scroll.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroll
      // Only whoever scrolls up leaves the end; the list that has become smaller has not been scrolled.
      if (scrollHeight - scrollTop - clientHeight < 8) this.#isAtEnd = true
      else if (scrollTop < this.#lastTop) this.#isAtEnd = false
      this.#lastTop = scrollTop
    })
    // What comes and goes around it takes of its height, and the latest message stays in sight.
    new ResizeObserver(() => { if (this.#isAtEnd) this.#toEnd() }).observe(this.#scroll)
  }

  get snapshot () {
    return this.#lines.map(({ root, ...line }) => line)
  }

  restore (lines) {
    this.#add(lines, { isNews: false })
  }

  say ({ text, user_id: userId, sent_at: sentAt }) {
    this.#add([{ text, userId, sentAt }])
  }

  // What the server still has, for a page that had the stream up to a position, or null for one that had nothing.
  catchUp (messages, position, had) {
    const isSameStream = had?.epoch === position.epoch
    const missed = isSameStream ? messages.filter(({ stream }) => stream.offset > had.offset) : messages
    const lines = missed.map(({ text, user_id: userId, sent_at: sentAt }) => ({ text, userId, sentAt }))
    const lost = isSameStream ? (missed[0]?.stream.offset ?? position.offset + 1) - had.offset - 1 : null
    if (had !== null && lost !== 0) lines.unshift({ note: noteOf(lost) })
    this.#add(lines, { isNews: had !== null })
  }

  // What comes now was sent while the page was away.
  markAway () {
    this.#away?.remove()
    this.#away = noteItem('While you were away', 'chat-away')
    this.#isAfterAway = true
    if (this.#lines.length > 0) this.#append([this.#away])
  }

  reset () {
    this.#lines = []
    this.#away = null
    this.#isAtEnd = true
    this.#list.replaceChildren()
    this.#empty.hidden = false
  }

  #add (lines, { isNews = true } = {}) {
    if (lines.length === 0) return
    this.#empty.hidden = true
    const added = lines.map((line) => {
      const root = line.note === undefined ? this.#message(line) : noteItem(line.note, 'chat-gap')
      this.#lines.push({ ...line, root })
      return root
    })
    while (this.#lines.length > MAX_LINES) this.#lines.shift().root.remove()
    // A whole page of old messages is not to be read aloud.
    this.#scroll.ariaLive = isNews ? 'polite' : 'off'
    this.#append(added.filter((root) => this.#lines.some((line) => line.root === root)))
  }

  #append (items) {
    this.#isAtEnd ||= items.some((item) => 'own' in item.dataset)
    this.#list.append(...items)
    if (this.#isAtEnd) this.#toEnd()
  }

  #toEnd () {
    this.#scroll.scrollTop = this.#scroll.scrollHeight
  }

  #message ({ text, userId, sentAt }) {
    const { root, parts } = stamp('chat-template')
    const last = this.#lines.at(-1)
    const isOwn = userId === this.#session.userId
    if (isOwn) root.dataset.own = ''
    const isFollowup = last?.userId === userId && sentAt - last.sentAt < GROUP_MS && !this.#isAfterAway
    root.classList.toggle('followup', isFollowup)
    this.#isAfterAway = false
    parts.author.textContent = isOwn ? 'You' : userId
    parts.time.dateTime = new Date(sentAt).toISOString()
    parts.time.textContent = clockTime(sentAt)
    parts.text.textContent = text
    return root
  }
}

function noteOf (lost) {
  if (lost === null) return 'Messages may be missing here: the server cannot say what you missed.'
  return lost === 1
    ? 'A message is missing here: the server does not have it any more.'
    : `${lost} messages are missing here: the server does not have them any more.`
}

function noteItem (text, kind) {
  const item = document.createElement('li')
  item.className = `chat-note ${kind}`
  item.dataset.testid = kind
  item.textContent = text
  return item
}
