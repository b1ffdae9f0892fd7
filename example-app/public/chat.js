import { ChatLines } from './chat-lines.js'
import { ws } from './client.js'
import { byId } from './dom.js'
import { showPeople } from './people.js'
import { api, session } from './session.js'

const NAME = 'chat'
const COUNT_FROM = 400
const STATES = { joining: 'Not connected', loading: 'Loading…', live: '', refused: 'Not available', left: '' }

/** The chat: its messages, who is in it, and the field to write one. */
export function startChat () {
  const panel = byId('chat')
  const form = byId('chat-form')
  const hint = byId('chat-hint')
  const { text: input } = form.elements
  const room = ws.channel(NAME, {
    getState: async () => {
      const state = await api('GET', '/chat/messages')
      return { state, position: state.position }
    }
  })
  const lines = new ChatLines()
  const tabs = new Map()
  const showWho = () => showPeople(room.presence, tabs, room.status === 'live')
  const setHint = (text) => {
    hint.textContent = text
    hint.hidden = text === ''
  }

  room.on('state', (state) => lines.load(state))
  room.on('chat.message', (message) => lines.add(message))
  room.on('presence', showWho)
  room.on('chat.tabs', ({ user_id: id, tabs: count }) => {
    tabs.set(id, count)
    showWho()
  })
  room.on('status', async (status) => {
    panel.dataset.state = status
    byId('chat-state').textContent = STATES[status]
    showWho()
    if (status === 'joining') lines.lost()
    if (status !== 'live') return
    setHint('')
    const { people } = await ws.call('chat.enter')
    for (const { user_id: id, tabs: count } of people) tabs.set(id, count)
    showWho()
  })
  room.on('error', (error) => setHint(`The chat cannot be joined. ${error.message}`))
  const off = ws.on('status', (status) => { if (status === 'connected') lines.back(ws.serverNow) })

  input.oninput = () => setHint(input.value.length < COUNT_FROM ? '' : `${input.value.length} of ${input.maxLength} characters`)
  form.onsubmit = async (event) => {
    event.preventDefault()
    const text = input.value.trim()
    if (text === '') return
    if (room.status !== 'live') return setHint('You are not connected. Your message stays here until you are.')
    input.value = ''
    setHint('')
    try {
      await ws.call('chat.send', { text })
    } catch ({ message, delivery }) {
      if (session === null) return
      // Back into the field, unless the next message is already being written there.
      input.value ||= text
      setHint(delivery === 'unknown' ? 'It is not known whether your message was sent.' : `Your message was not sent. ${message}`)
    }
  }
  return () => {
    off()
    room.leave()
    lines.close()
    form.reset()
    setHint('')
    showPeople([], tabs, false)
  }
}
