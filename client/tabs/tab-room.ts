import type { OpenSocket } from '../socket.js'
import { Hub, handOver } from './hub.js'
import { VirtualSocket } from './virtual-socket.js'

type Message =
  | { kind: 'holder', from: string }
  | { kind: 'open', from: string, socket: string, url: string, protocols: string[] }
  | { kind: 'send', socket: string, data: string }
  | { kind: 'close', socket: string }
  | { kind: 'receive', to: string, socket: string, data: string }
  | { kind: 'end', to: string, socket: string, code: number, reason: string }
  | { kind: 'look', from: string }
  | { kind: 'here', isHidden: boolean }

/** Interval at which a visible tab asks for a sign of the holder. */
const LOOK_EVERY_MS = 400
/** Silence after which the holder counts as frozen. */
const SILENCE_MS = 1_000

/** The tabs of one URL and user: which of them holds the socket, and what they tell each other. */
export class TabRoom {
  readonly name: string
  readonly #id = Math.random().toString(36).slice(2)
  readonly #openSocket: () => Promise<OpenSocket>
  readonly #isOwn: (token: string) => Promise<boolean>
  readonly #channel: BroadcastChannel
  readonly #over = new AbortController()
  /** Resolves when this tab has its own lock. */
  readonly #isAlive: Promise<void>
  readonly #sockets = new Map<string, VirtualSocket>()
  /** The hub of the tab that holds the socket; null: another does. */
  #hub: Hub | null = null
  #release: (() => void) | null = null
  /** Aborted to leave the queue for the socket. */
  #waiting = new AbortController()
  #lastSocket = 0
  #heardAt = performance.now()
  #isStealing = false

  /** @param isOwn tells whether a token is of the user whose tabs these are */
  constructor (name: string, openSocket: () => Promise<OpenSocket>, isOwn: (token: string) => Promise<boolean>) {
    this.name = name
    this.#openSocket = openSocket
    this.#isOwn = isOwn
    this.#channel = new BroadcastChannel(name)
    this.#channel.onmessage = ({ data }) => this.#receive(data)
    // Held for the life of the tab: the holder gets it when the tab is gone.
    this.#isAlive = new Promise((resolve) => {
      navigator.locks.request(this.#lockOf(this.#id), { signal: this.#over.signal }, () => {
        resolve()
        return this.#untilOver()
      }).catch(() => {})
    })
    this.#queue()
    const timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
    this.#over.signal.addEventListener('abort', () => clearInterval(timer))
    document.addEventListener('visibilitychange', () => this.#look(), { signal: this.#over.signal })
  }

  /** Opens a virtual socket. It is greeted when the holder's socket is. */
  readonly open: OpenSocket = (url, protocols) => {
    const socket = new VirtualSocket(`${this.#id}-${++this.#lastSocket}`, url, protocols, (socket, data) => { this.#send(socket, data) }, (socket) => this.#closed(socket))
    this.#sockets.set(socket.id, socket)
    // Later, so that its listeners are set; and once the tab has its lock, or the holder would get the lock and take the tab for gone.
    this.#isAlive.then(() => { if (this.#sockets.has(socket.id)) this.#ask(socket) })
    return socket
  }

  close (): void {
    this.#over.abort()
    this.#waiting.abort()
    this.#resign()
    this.#channel.close()
  }

  #untilOver (): Promise<void> {
    return new Promise((resolve) => { this.#over.signal.addEventListener('abort', () => resolve()) })
  }

  #lockOf (tab: string): string {
    return `${this.name}:${tab}`
  }

  /** Queues for the socket. @param steal takes it from a holder that is silent or hidden */
  #queue (steal = false): void {
    this.#waiting.abort()
    const { signal } = this.#waiting = new AbortController()
    navigator.locks.request(this.name, steal ? { steal } : { signal }, () => {
      this.#isStealing = false
      if (signal.aborted) return
      this.#hub = new Hub(this.#openSocket)
      this.#post({ kind: 'holder', from: this.#id })
      this.#changed()
      return new Promise<void>((resolve) => { this.#release = resolve })
    }).catch(() => {
      // Another tab has stolen the socket, or this one has queued again.
      if (signal.aborted) return
      this.#isStealing = false
      this.#resign()
      this.#queue()
    })
  }

  #resign (): void {
    const hub = this.#hub
    this.#hub = null
    this.#release?.()
    this.#release = null
    hub?.close()
  }

  /** The holder has changed: the virtual sockets of this tab end, and the clients reconnect to the new one. */
  #changed (): void {
    this.#heardAt = performance.now()
    for (const socket of [...this.#sockets.values()]) {
      // One that nobody has answered yet has nothing to lose.
      if (!socket.isInUse) {
        this.#ask(socket)
        continue
      }
      this.#sockets.delete(socket.id)
      handOver(socket)
    }
  }

  #ask (socket: VirtualSocket): void {
    const { id, url, protocols } = socket
    if (this.#hub === null) this.#post({ kind: 'open', from: this.#id, socket: id, url, protocols })
    else this.#hub.attach({ id, receive: (data) => socket.receive(data), end: (code, reason) => this.#ended(socket, code, reason) }, { url, protocols })
  }

  /** Sends a frame. A token of another user would switch the socket of all tabs: the tab leaves instead, and its client joins another room. */
  async #send (socket: VirtualSocket, data: string): Promise<void> {
    const { id } = socket
    if (data.startsWith('{"type":"auth"') && !await this.#isOwn(JSON.parse(data).token)) {
      this.#closed(socket)
      return socket.end(1012, 'The token is of another user')
    }
    if (this.#hub === null) this.#post({ kind: 'send', socket: id, data })
    else this.#hub.send(id, data)
  }

  #closed ({ id }: VirtualSocket): void {
    this.#sockets.delete(id)
    if (this.#hub === null) this.#post({ kind: 'close', socket: id })
    else this.#hub.detach(id)
  }

  #ended (socket: VirtualSocket, code: number, reason: string): void {
    this.#sockets.delete(socket.id)
    socket.end(code, reason)
  }

  #receive (message: Message): void {
    switch (message.kind) {
      case 'holder':
        this.#changed()
        return
      case 'open': return this.#admit(message)
      case 'send': return this.#hub?.send(message.socket, message.data)
      case 'close': return this.#hub?.detach(message.socket)
      case 'receive':
        if (message.to === this.#id) this.#sockets.get(message.socket)?.receive(message.data)
        return
      case 'end': {
        const socket = this.#sockets.get(message.socket)
        if (message.to === this.#id && socket !== undefined) this.#ended(socket, message.code, message.reason)
        return
      }
      case 'look':
        if (this.#hub !== null) this.#post({ kind: 'here', isHidden: document.visibilityState === 'hidden' })
        return
      case 'here':
        this.#heardAt = performance.now()
        if (message.isHidden && document.visibilityState === 'visible') this.#steal()
    }
  }

  /** Another tab opens a virtual socket; when it dies, its lock is free. */
  #admit ({ from, socket, url, protocols }: Message & { kind: 'open' }): void {
    const hub = this.#hub
    if (hub === null) return
    hub.attach({
      id: socket,
      receive: (data) => this.#post({ kind: 'receive', to: from, socket, data }),
      end: (code, reason) => this.#post({ kind: 'end', to: from, socket, code, reason })
    }, { url, protocols })
    navigator.locks.request(this.#lockOf(from), { signal: this.#over.signal }, () => { if (hub === this.#hub) hub.detach(socket) }).catch(() => {})
  }

  /** Asks for a sign of the holder, and takes the socket from a silent one. Hidden tabs can wait. */
  #look (): void {
    if (this.#hub !== null || document.visibilityState === 'hidden' || this.#sockets.size === 0) {
      this.#heardAt = performance.now()
      return
    }
    if (performance.now() - this.#heardAt > SILENCE_MS) this.#steal()
    else this.#post({ kind: 'look', from: this.#id })
  }

  #steal (): void {
    if (this.#isStealing || this.#hub !== null) return
    this.#isStealing = true
    this.#queue(true)
  }

  #post (message: Message): void {
    if (!this.#over.signal.aborted) this.#channel.postMessage(message)
  }
}
