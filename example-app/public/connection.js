const CONNECT_TIMEOUT_MS = 15_000
const PING_EVERY_MS = 20_000
const PONG_TIMEOUT_MS = 10_000
const ANSWER_TIMEOUT_MS = 10_000
const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 15_000
const STABLE_MS = 5_000

const UNAUTHORIZED = 4401
const UNWANTED = 'The server closed this connection and does not want it back.'
// After these the same attempt would end the same way, and after 4409 two windows would replace each other for ever.
const FINAL_REASONS = new Map([
  [1003, UNWANTED],
  [1008, UNWANTED],
  [1009, UNWANTED],
  [4403, UNWANTED],
  [4409, 'A newer connection of yours replaced this one.']
])

export class Connection {
  #events
  #token = null
  #socket = null
  #pending = new Map()
  #lastId = 0
  #failures = 0
  #connectedAt = null
  #ping = null
  #skewMs = 0
  // When the server has said to come back, should this socket end.
  #returnAfterMs = null
  #retryTimer = null
  #deadlineTimer = null
  #pingTimer = null

  // events: state({ name, roundTripMs?, retryAt?, failures?, reason? }), frame(frame, isAnswer), refused() → promise,
  // unauthorized(), positions(): what to recover from
  constructor (events) {
    this.#events = events
    // A network that is back, or a laptop that woke up, need not wait for the rest of the delay.
    window.addEventListener('online', () => this.retry())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible' && this.#retryTimer !== null) this.retry()
    })
  }

  get isOpen () { return this.#connectedAt !== null }

  // Deadlines come from the server's clock, which need not agree with this one.
  get serverNow () { return Date.now() + this.#skewMs }

  open (token) {
    this.#token = token
    this.#failures = 0
    this.#events.state({ name: 'connecting' })
    this.#connect()
  }

  close () {
    this.#token = null
    this.#abandon('Signed out')
    this.#events.state({ name: 'offline' })
  }

  // A fresh token of the same user, for this socket and those that follow.
  async refresh (token) {
    this.#token = token
    await this.request({ type: 'auth', token })
  }

  retry () {
    if (this.#token === null || this.#socket !== null) return
    this.#events.state({ name: 'reconnecting', failures: this.#failures })
    this.#connect()
  }

  // Resolves with the answering frame, rejects with an Error that carries the `code` and `details` of an error frame.
  request (frame) {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(new Error('not connected'))
      const id = `page-${++this.#lastId}`
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(new Error('the server did not answer in time'))
      }, ANSWER_TIMEOUT_MS)
      this.#pending.set(id, { resolve, reject, timer })
      this.#socket.send(JSON.stringify({ ...frame, id }))
    })
  }

  #connect () {
    clearTimeout(this.#retryTimer)
    this.#retryTimer = null
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    const recover = encodeURIComponent(JSON.stringify(this.#events.positions()))
    const socket = new WebSocket(`${scheme}://${location.host}/ws?recover=${recover}`, ['ws-manager.v1', `bearer.${this.#token}`])
    let opened = false
    this.#socket = socket
    this.#deadlineTimer = setTimeout(() => this.#lost(), CONNECT_TIMEOUT_MS)
    socket.addEventListener('open', () => { opened = true })
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#receive(data)
    })
    socket.addEventListener('close', ({ code, reason }) => {
      if (socket === this.#socket) this.#closed(code, reason, opened)
    })
  }

  #receive (data) {
    const frame = JSON.parse(data)
    if (frame.type === 'pong') return this.#pong(frame)
    if (frame.type === 'reconnect') {
      this.#returnAfterMs = frame.after_ms
      return
    }
    if (frame.type === 'connection') {
      // Said again after a fresh token: the same socket goes on where it is.
      if (this.isOpen) return
      this.#established()
    }
    this.#events.frame(frame, this.#answer(frame))
  }

  #established () {
    clearTimeout(this.#deadlineTimer)
    this.#connectedAt = performance.now()
    this.#events.state({ name: 'connected' })
    this.#sendPing()
  }

  #answer (frame) {
    const request = this.#pending.get(frame.id)
    if (!request) return false
    this.#pending.delete(frame.id)
    clearTimeout(request.timer)
    if (frame.type === 'error') {
      request.reject(Object.assign(new Error(frame.message), { code: frame.code, details: frame.details }))
    } else {
      request.resolve(frame)
    }
    return true
  }

  #sendPing () {
    this.#ping = { timestamp: Date.now(), sentAt: performance.now() }
    this.#socket.send(JSON.stringify({ type: 'ping', timestamp: this.#ping.timestamp }))
    // A dead network closes nothing: only a missing answer tells.
    this.#deadlineTimer = setTimeout(() => this.#lost(), PONG_TIMEOUT_MS)
  }

  #pong ({ timestamp, server_time: serverTime }) {
    if (timestamp !== this.#ping?.timestamp) return
    clearTimeout(this.#deadlineTimer)
    const roundTripMs = performance.now() - this.#ping.sentAt
    if (Number.isFinite(serverTime)) this.#skewMs = serverTime - (timestamp + roundTripMs / 2)
    this.#ping = null
    this.#events.state({ name: 'connected', roundTripMs })
    this.#pingTimer = setTimeout(() => this.#sendPing(), PING_EVERY_MS)
  }

  #lost () {
    this.#closed(1006, '', true)
  }

  #closed (code, reason, opened) {
    if (this.isOpen && performance.now() - this.#connectedAt > STABLE_MS) this.#failures = 0
    const returnAfterMs = this.#returnAfterMs
    this.#abandon('the connection was lost')
    if (code === UNAUTHORIZED) return this.#events.unauthorized()
    if (FINAL_REASONS.has(code)) {
      const detail = reason ? ` Its reason: ${reason}.` : ''
      return this.#events.state({ name: 'offline', reason: FINAL_REASONS.get(code) + detail })
    }

    // Each page is told another time, so that they do not all come at once to the servers that are left.
    if (returnAfterMs !== null) return this.#comeBack('returning', returnAfterMs)
    this.#failures++
    this.#comeBack('reconnecting', Math.random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures))
    // The browser hides the status of a refused upgrade; only a request can tell whether the token was the reason.
    if (!opened) this.#events.refused()
  }

  #comeBack (name, delayMs) {
    this.#events.state({ name, retryAt: Date.now() + delayMs, failures: this.#failures })
    this.#retryTimer = setTimeout(() => this.retry(), delayMs)
  }

  // Whatever happens, nothing of a socket outlives it: no timer, no promise, no late frame.
  #abandon (why) {
    const socket = this.#socket
    this.#socket = null
    this.#connectedAt = null
    this.#ping = null
    this.#returnAfterMs = null
    for (const timer of [this.#retryTimer, this.#deadlineTimer, this.#pingTimer]) clearTimeout(timer)
    this.#retryTimer = null
    socket?.close()
    const requests = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject, timer } of requests) {
      clearTimeout(timer)
      reject(new Error(why))
    }
  }
}
