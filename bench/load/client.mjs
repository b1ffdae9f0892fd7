import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { CLOSE, PONG, TEXT, maskedFrame } from './frames.mjs'

/** All sockets are read into one buffer: what a callback is handed is used before the next one is read. */
const SHARED = Buffer.allocUnsafe(256 * 1024)
const HEAD_END = Buffer.from('\r\n\r\n')
const OFFERED = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n'

/** One raw socket that does the WebSocket handshake by hand and takes frames apart without copying them. */
export class Client {
  index
  user
  channel
  secret
  /** What the server said to the offer of permessage-deflate. */
  extensions = ''
  /** Requests that are to be sent when the chunk is read to its end. */
  owed = 0
  isReady = false
  #group
  #socket = null
  #rest = null
  #isUpgraded = false
  #settle = null

  constructor (group, index, { channels, secret }) {
    this.#group = group
    this.index = index
    this.user = `user-${index}`
    this.channel = channels === 0 ? null : `channel-${index % channels}`
    this.secret = secret
  }

  /** Resolves when the server has greeted the socket as its peer's protocol does it. */
  connect ({ port, deflate }) {
    const { path, headers } = this.#group.dialect.request(this)
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      const onread = { buffer: SHARED, callback: (size, chunk) => this.#read(chunk, size) }
      this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread })
      this.#socket.on('error', (error) => this.fail(error.message))
      this.#socket.on('close', () => this.fail('closed'))
      this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${deflate ? OFFERED : ''}${headers}\r\n`)
    })
  }

  ready () {
    this.isReady = true
    this.#settle.resolve()
  }

  /** The socket ended, or the server did what it must not do. */
  fail (reason) {
    if (this.#socket === null) return
    if (this.isReady) this.#group.lost(this, reason)
    else this.#settle.reject(new Error(`socket ${this.index}: ${reason}`))
    this.destroy()
  }

  send (text) {
    this.#socket.write(maskedFrame(TEXT, Buffer.from(text)))
  }

  write (frames) {
    this.#socket.write(frames)
  }

  /** Reads nothing from now on, as a client that hangs. */
  stall () {
    this.#socket.pause()
  }

  destroy () {
    const socket = this.#socket
    this.#socket = null
    // A reset: thousands of closed sockets would otherwise hold their ports for a minute.
    socket?.resetAndDestroy()
  }

  #read (chunk, size) {
    if (this.#rest !== null) {
      chunk = Buffer.concat([this.#rest, chunk.subarray(0, size)])
      size = chunk.length
      this.#rest = null
    }
    let at = 0
    if (!this.#isUpgraded) {
      const end = chunk.subarray(0, size).indexOf(HEAD_END)
      if (end >= 0) {
        at = end + HEAD_END.length
        this.#upgrade(chunk.toString('latin1', 0, end))
      }
    }
    if (this.#isUpgraded) at = this.#frames(chunk, at, size)
    if (at < size) this.#rest = Buffer.from(chunk.subarray(at, size))
    if (this.owed > 0) this.#group.ask(this)
    return true
  }

  #upgrade (head) {
    if (!head.startsWith('HTTP/1.1 101 ')) return this.fail(head.slice(0, 40))
    this.#isUpgraded = true
    this.extensions = /^sec-websocket-extensions: *(.*)$/im.exec(head)?.[1] ?? ''
    this.#group.dialect.opened(this)
  }

  /** Hot. Returns where the first incomplete frame begins. */
  #frames (chunk, at, size) {
    while (size - at >= 2) {
      let length = chunk[at + 1]
      let head = 2
      if (length === 126) {
        if (size - at < 4) break
        length = chunk[at + 2] << 8 | chunk[at + 3]
        head = 4
      } else if (length === 127) {
        if (size - at < 10) break
        length = chunk.readUInt32BE(at + 6)
        head = 10
      }
      if (size - at < head + length) break
      this.#frame(chunk[at], chunk, at + head, length)
      at += head + length
    }
    return at
  }

  #frame (first, chunk, start, length) {
    if ((first & 0xbf) === TEXT) {
      if (!this.isReady) this.#group.dialect.greeting(this, chunk.toString('utf8', start, start + length))
      else if (!this.#group.dialect.isControl(this, chunk, start, length)) {
        this.#group.receiver.receive(this, chunk, start, length, first !== TEXT)
      }
    } else if (first === 0x89) {
      this.#socket?.write(maskedFrame(PONG, Buffer.from(chunk.subarray(start, start + length))))
    } else if (first === CLOSE) {
      this.fail(`close frame ${length < 2 ? '' : chunk.readUInt16BE(start)} ${chunk.toString('utf8', start + 2, start + length)}`)
    } else if (first !== PONG) {
      this.fail(`unexpected frame 0x${first.toString(16)}`)
    }
  }
}
