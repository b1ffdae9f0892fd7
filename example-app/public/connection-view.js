import { speak } from './notices.js'

// A blip that heals at the first attempt is not worth a bar across the page.
const STRIP_AFTER_FAILURES = 2

export class ConnectionView {
  #pill = document.getElementById('connection-state')
  #text = document.getElementById('connection-text')
  #detail = document.getElementById('connection-detail')
  #strip = document.getElementById('connection-strip')
  #reason = document.getElementById('connection-reason')
  #timer = null
  #wasLost = false

  constructor ({ onRetry }) {
    document.getElementById('connection-retry').addEventListener('click', onRetry)
  }

  show (state) {
    clearInterval(this.#timer)
    this.#pill.dataset.state = state.name
    this.#text.textContent = label(state)
    this.#detail.textContent = state.name === 'connected' && state.roundTripMs !== undefined ? `${Math.max(1, Math.round(state.roundTripMs))} ms` : ''
    if (state.retryAt) {
      this.#timer = setInterval(() => { this.#text.textContent = label(state) }, 250)
    }
    this.#showStrip(state)
    this.#speak(state)
  }

  #showStrip ({ name, reason, failures }) {
    const waiting = name === 'reconnecting' && failures >= STRIP_AFTER_FAILURES
    this.#strip.hidden = !waiting && !reason
    this.#reason.textContent = reason ?? 'The connection is lost. What you see may be out of date.'
  }

  // The pill counts down; read aloud it says each change once.
  #speak ({ name, reason }) {
    const isLost = name === 'reconnecting' || name === 'returning' || Boolean(reason)
    const what = name === 'returning' ? 'The server restarts, reconnecting in a moment' : 'Connection lost, reconnecting'
    if (isLost && !this.#wasLost) speak(reason ?? what)
    if (name === 'connected' && this.#wasLost) speak('Connected again')
    if (name !== 'connecting') this.#wasLost = isLost
  }
}

function label ({ name, retryAt }) {
  if (name === 'connecting') return 'Connecting…'
  if (name === 'connected') return 'Connected'
  if (name === 'offline') return 'Offline'
  if (!retryAt) return 'Reconnecting…'
  const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000))
  return name === 'returning' ? `Restarting · ${seconds} s` : `Reconnecting in ${seconds} s`
}
