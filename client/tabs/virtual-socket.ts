import type { Socket } from '../socket.js'

/** A tab's end of the shared socket. */
export class VirtualSocket implements Socket {
  readonly id: string
  readonly url: string
  readonly protocols: string[]
  protocol = ''
  onopen: unknown = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number, reason: string }) => void) | null = null
  onerror: unknown = null
  readonly #send: (socket: VirtualSocket, data: string) => void
  readonly #close: (socket: VirtualSocket) => void
  /** True once a frame has come. */
  isInUse = false
  #isClosed = false

  constructor (id: string, url: string, protocols: string[], send: (socket: VirtualSocket, data: string) => void, close: (socket: VirtualSocket) => void) {
    this.id = id
    this.url = url
    this.protocols = protocols
    this.#send = send
    this.#close = close
  }

  send (data: string): void {
    if (!this.#isClosed) this.#send(this, data)
  }

  close (): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#close(this)
  }

  receive (data: string): void {
    this.isInUse = true
    if (!this.#isClosed) this.onmessage?.({ data })
  }

  /** The shared socket has ended, or another tab holds it from now on. */
  end (code: number, reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.onclose?.({ code, reason })
  }
}
