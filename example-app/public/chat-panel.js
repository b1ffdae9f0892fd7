import { clockTime } from './durations.js'
import { showError } from './notices.js'
import { stamp } from './template.js'

const CHANNEL = 'chat'
const MAX_MESSAGES = 200
const MAX_TEXT = 500
const COUNT_FROM = 400
const GROUP_MS = 120_000

export class ChatPanel {
  #connection
  #session
  #list = document.getElementById('chat-list')
  #scroll = document.getElementById('chat-scroll')
  #empty = document.getElementById('chat-empty')
  #state = document.getElementById('chat-state')
  #input = document.getElementById('chat-input')
  #button = document.getElementById('chat-send')
  #count = document.getElementById('chat-count')
  #last = null
  #isJoined = false
  #hasGap = false

  frames = {
    'chat.message': (frame) => this.#show(frame),
    subscribed: ({ channel }) => this.#joined(channel),
    subscription_confirmed: () => this.#joined(CHANNEL),
    unsubscribed: ({ channel }) => this.#left(channel)
  }

  constructor ({ connection, session }) {
    this.#connection = connection
    this.#session = session
    document.getElementById('chat-form').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#send()
    })
    this.#input.addEventListener('input', () => this.#showCount())
  }

  async connected () {
    this.#state.textContent = 'Joining…'
    try {
      await this.#connection.request({ type: 'subscribe', channel_ids: [CHANNEL] })
      this.#joined(CHANNEL)
    } catch (error) {
      if (this.#isJoined || !this.#connection.isOpen) return
      this.#state.textContent = 'Not available'
      showError(`The chat cannot be joined: ${error.message}`)
    }
  }

  disconnected () {
    this.#leave('Not connected')
  }

  reset () {
    this.disconnected()
    this.#hasGap = false
    this.#last = null
    this.#list.replaceChildren()
    this.#empty.hidden = false
    this.#state.textContent = ''
    this.#input.value = ''
    this.#showCount()
  }

  #joined (channel) {
    if (channel !== CHANNEL || this.#isJoined) return
    this.#isJoined = true
    this.#button.disabled = false
    this.#state.textContent = ''
    if (this.#hasGap) this.#showGap()
    this.#hasGap = false
  }

  #left (channel) {
    if (channel === CHANNEL) this.#leave('No longer a member')
  }

  #leave (state) {
    this.#hasGap ||= this.#isJoined
    this.#isJoined = false
    this.#button.disabled = true
    this.#state.textContent = state
  }

  async #send () {
    const text = this.#input.value.trim()
    if (!text || !this.#isJoined) return
    this.#input.value = ''
    this.#showCount()
    try {
      await this.#connection.request({ type: 'chat.send', text })
    } catch (error) {
      if (!this.#session.isOpen) return
      // Back into the field, unless the next message is already being written there.
      this.#input.value ||= text
      this.#showCount()
      showError(`The message was not sent: ${error.message}`)
    }
  }

  #show ({ text, user_id: userId, sent_at: sentAt }) {
    const { root, parts } = stamp('chat-template')
    const isOwn = userId === this.#session.userId
    if (isOwn) root.dataset.own = ''
    root.classList.toggle('followup', this.#last?.userId === userId && sentAt - this.#last.sentAt < GROUP_MS)
    parts.author.textContent = isOwn ? 'You' : userId
    parts.time.dateTime = new Date(sentAt).toISOString()
    parts.time.textContent = clockTime(sentAt)
    parts.text.textContent = text
    this.#last = { userId, sentAt }
    this.#append(root)
  }

  #showGap () {
    const last = this.#list.lastElementChild
    if (!last || last.className === 'chat-gap') return
    const gap = document.createElement('li')
    gap.className = 'chat-gap'
    gap.textContent = 'Reconnected. Messages sent in between are not shown.'
    this.#last = null
    this.#append(gap)
  }

  #append (item) {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll
    const wasAtEnd = scrollHeight - scrollTop - clientHeight < 8
    this.#empty.hidden = true
    this.#list.append(item)
    while (this.#list.children.length > MAX_MESSAGES) this.#list.firstElementChild.remove()
    if (wasAtEnd || 'own' in item.dataset) this.#scroll.scrollTop = this.#scroll.scrollHeight
  }

  #showCount () {
    const { length } = this.#input.value
    this.#count.hidden = length < COUNT_FROM
    this.#count.textContent = `${length} of ${MAX_TEXT} characters`
  }
}
