import { ChatLines } from './chat-lines.js'
import { showError, showFailure } from './notices.js'

export const CHANNEL = 'chat'
export const TOPIC = `channel:${CHANNEL}`
const MAX_TEXT = 500
const COUNT_FROM = 400

export class ChatPanel {
  #connection
  #session
  #positions
  #state = document.getElementById('chat-state')
  #input = document.getElementById('chat-input')
  #button = document.getElementById('chat-send')
  #count = document.getElementById('chat-count')
  #isJoined = false
  #joins = 0
  // What has come since the page has begun to load what the server has; null while it does not.
  #waiting = null
  #loading = null

  frames = {
    'chat.message': (frame) => {
      if (!this.#positions.isHeld(TOPIC)) this.lines.say(frame)
      else this.#waiting?.push(frame)
    },
    subscribed: ({ channel, recovered, missed }) => {
      if (channel === CHANNEL && recovered && missed > 0) this.lines.markAway()
    },
    unsubscribed: ({ channel }) => { if (channel === CHANNEL) this.#leave('No longer a member') }
  }

  constructor ({ connection, session, positions }) {
    this.#connection = connection
    this.#session = session
    this.#positions = positions
    this.lines = new ChatLines({ session })
    document.getElementById('chat-form').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#send()
    })
    this.#input.addEventListener('input', () => this.#showCount())
  }

  async connected () {
    const join = ++this.#joins
    const had = this.#positions.get(TOPIC)
    this.#state.textContent = 'Joining…'
    try {
      const recover = had === null ? {} : { [CHANNEL]: had }
      await this.#connection.request({ type: 'subscribe', channel_ids: [CHANNEL], recover })
      await this.#loading
      if (join === this.#joins) this.#joined()
    } catch (error) {
      if (join !== this.#joins) return
      this.#leave('Not available')
      showError(`The chat cannot be joined: ${error.message}`)
    }
  }

  disconnected () {
    this.#leave('Not connected')
  }

  // The stream does not go on from what the page has of it.
  restart (had) {
    this.#positions.hold(TOPIC, had)
    this.#loading = this.#load(had)
  }

  reset () {
    this.disconnected()
    this.lines.reset()
    this.#state.textContent = ''
    this.#input.value = ''
    this.#showCount()
  }

  async #load (had) {
    const waiting = this.#waiting = []
    try {
      const { messages, position } = await this.#session.call('GET', '/chat/messages')
      if (waiting !== this.#waiting) return
      const later = waiting.filter(({ stream }) => stream.epoch === position.epoch)
      const { offset } = later.at(-1)?.stream ?? position
      const reached = { epoch: position.epoch, offset: Math.max(offset, position.offset) }
      const known = new Map([...messages, ...later].map((message) => [message.stream.offset, message]))
      this.lines.catchUp([...known.values()].sort((one, other) => one.stream.offset - other.stream.offset), reached, had)
      this.#positions.goOn(TOPIC, reached)
      this.#waiting = null
    } catch (error) {
      if (waiting !== this.#waiting) return
      this.#leave('Not available')
      showFailure('The chat could not be loaded', error)
    }
  }

  #joined () {
    this.#isJoined = true
    this.#button.disabled = false
    this.#state.textContent = ''
    this.#connection.request({ type: 'chat.enter' }).catch((error) => console.warn('The others do not hear of this tab', error))
  }

  #leave (state) {
    this.#joins++
    this.#waiting = null
    this.#loading = null
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

  #showCount () {
    const { length } = this.#input.value
    this.#count.hidden = length < COUNT_FROM
    this.#count.textContent = `${length} of ${MAX_TEXT} characters`
  }
}
