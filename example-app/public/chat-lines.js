import { byId, el, timeText } from './dom.js'
import { session } from './session.js'

const READ_KEY = 'realtime-example.read'
const MAX_LINES = 200
const GROUP_MS = 120_000
const END_PX = 40

/** The messages of the chat and, where some could not be had, notes that say so. */
export class ChatLines {
  #list = byId('chat-list')
  #log = byId('chat-log')
  #height = 0
  #isAtEnd = true
  #resized = new ResizeObserver(() => {
    this.#height = this.#log.clientHeight
    this.#scroll()
  })

  /** The latest message before the next one: followed soon by the same user, it is the head of a group. */
  #last = null
  #unread = 0
  /** Position of the latest message that was shown, also before a reload; null: none was. */
  #read = JSON.parse(sessionStorage.getItem(READ_KEY))
  /** While the page was away, until when on the server's clock; null: it was not. */
  #awayUntil = null

  constructor () {
    this.#log.onscroll = () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#log
      // Where its size has changed, nobody has scrolled.
      if (clientHeight === this.#height) this.#isAtEnd = scrollHeight - scrollTop - clientHeight < END_PX
    }
    this.#resized.observe(this.#log)
    this.#showUnread()
  }

  /** Shows the messages that the server still has: on a new page, and on one that has missed more. */
  load ({ messages, position }) {
    const read = this.#read
    const isSame = read?.epoch === position.epoch
    const missed = isSame ? messages.filter(({ stream }) => stream.offset > read.offset) : messages
    const lost = isSame ? (missed[0]?.stream.offset ?? position.offset + 1) - read.offset - 1 : null
    // A page of old messages is not read aloud.
    this.#log.ariaLive = 'off'
    if (this.#list.childElementCount === 0) for (const message of messages.slice(0, messages.length - missed.length)) this.#append(message)
    if (read !== null && lost !== 0) this.#note(noteOf(lost), 'chat-gap')
    else if (read !== null && missed.length > 0) this.#note('While you were away', 'chat-away')
    for (const message of missed) this.#append(message)
    this.#awayUntil = null
    this.#keep(position)
    this.#scroll()
  }

  add (message) {
    const { sent_at: sentAt, stream, user_id: userId } = message
    this.#log.ariaLive = 'polite'
    if (this.#awayUntil !== null && sentAt < this.#awayUntil) this.#note('While you were away', 'chat-away')
    this.#awayUntil = null
    this.#append(message)
    this.#keep(stream)
    if (userId === session.user_id) this.#isAtEnd = true
    else if (!this.#log.checkVisibility()) this.#unread++
    this.#showUnread()
    this.#scroll()
  }

  /** Notes that the next messages may have been sent while the page was away. */
  lost () {
    this.#awayUntil = Infinity
  }

  back (serverNow) {
    if (this.#awayUntil !== null) this.#awayUntil = serverNow
  }

  close () {
    this.#resized.disconnect()
    this.#list.replaceChildren()
    sessionStorage.removeItem(READ_KEY)
  }

  #keep ({ epoch, offset }) {
    this.#read = { epoch, offset }
    sessionStorage.setItem(READ_KEY, JSON.stringify(this.#read))
  }

  #append (message) {
    const { text, user_id: userId, sent_at: sentAt } = message
    const isOwn = userId === session.user_id
    const isFollowup = this.#last?.user_id === userId && sentAt - this.#last.sent_at < GROUP_MS
    const time = el('time', { dateTime: new Date(sentAt).toISOString() }, timeText(sentAt))
    this.#last = message
    this.#put(el('li', { class: `message${isOwn ? ' own' : ''}${isFollowup ? ' followup' : ''}`, 'data-testid': 'chat-message' },
      el('p', { class: isFollowup ? 'hidden' : 'chat-meta' }, el('strong', {}, isOwn ? 'You' : userId), ' ', time), el('p', { class: 'chat-text' }, text)))
  }

  #note (text, kind) {
    this.#last = null
    this.#put(el('li', { class: `chat-note ${kind}`, 'data-testid': kind }, text))
  }

  #put (item) {
    this.#list.append(item)
    while (this.#list.childElementCount > MAX_LINES) this.#list.firstElementChild.remove()
  }

  #showUnread () {
    byId('chat-count').textContent = this.#unread === 0 ? '' : this.#unread
  }

  #scroll () {
    if (this.#log.checkVisibility()) {
      this.#unread = 0
      this.#showUnread()
    }
    if (this.#isAtEnd) this.#log.scrollTop = this.#log.scrollHeight
  }
}

function noteOf (lost) {
  if (lost === null) return 'Messages may be missing here: the server cannot say what you missed.'
  return lost === 1
    ? 'A message is missing here: the server does not have it any more.'
    : `${lost} messages are missing here: the server does not have them any more.`
}
