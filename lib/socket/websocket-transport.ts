import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { fitReason } from './close-reason.js'
import { inflateWhileOpen } from './inflation.js'
import type { Encoding } from './message.js'
import { reset } from './reset.js'
import type { Batch, Transport, TransportEvents } from './transport.js'

/** `WebSocket.OPEN` and `WebSocket.CLOSED`; the class itself is @fastify/websocket's, and only its type is imported. */
const OPEN = 1
const CLOSED = 3
/** An unsolicited pong, which every client ignores (RFC 6455 section 5.5.3). */
const PONG = Buffer.from([0x8a, 0x00])

/** The limit behind an error of ws. */
const limits: Readonly<Record<string, 'payload' | 'fragments'>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 'payload', WS_ERR_TOO_MANY_BUFFERED_PARTS: 'fragments'
}

/**
 * A WebSocket. Batches are written to the raw socket as whole frames; `ws` writes its pongs and its close frame there, too, each in
 * one piece, so no frame is interleaved with another.
 */
export class WebSocketTransport implements Transport {
  readonly #socket: WebSocket
  readonly #raw: Duplex
  readonly #encoding: Encoding

  /**
   * @param raw the raw socket of the upgrade
   * @param encoding `plainFrames`, or `DeflatedFrames` where the client reads compressed messages
   */
  constructor (socket: WebSocket, raw: Duplex, encoding: Encoding) {
    this.#socket = socket
    this.#raw = raw
    this.#encoding = encoding
    inflateWhileOpen(socket, () => this.isOpen)
  }

  get protocol (): string | null {
    return this.#socket.protocol === '' ? null : this.#socket.protocol
  }

  get isOpen (): boolean {
    return this.#socket.readyState === OPEN
  }

  get isClosed (): boolean {
    return this.#socket.readyState === CLOSED
  }

  get bufferedBytes (): number {
    return this.#raw.writableLength
  }

  get flushedBytes (): number {
    const { bytesWritten = NaN, writableLength } = this.#raw as Duplex & { bytesWritten?: number }
    return bytesWritten - writableLength
  }

  get isPaused (): boolean {
    return this.#socket.isPaused
  }

  listen ({ message, pong, ping, error, close }: TransportEvents): void {
    // The binaryType of ws is nodebuffer unless it is set, so that data is a Buffer.
    this.#socket.on('message', message as (data: unknown, isBinary: boolean) => void)
    this.#socket.on('pong', pong)
    this.#socket.on('ping', ping)
    // ws has sent the matching close frame (1002, 1007, 1009) before it reports the error here.
    this.#socket.on('error', (fault: Error & { code?: string }) => error(fault, limits[fault.code!] ?? null))
    this.#socket.on('close', (code, reason) => close(code, reason.toString()))
  }

  onClose (listener: () => void): void {
    this.#socket.once('close', () => listener())
  }

  send (batch: Batch): void {
    this.#raw.write(batch.in(this.#encoding))
  }

  onDrained (listener: () => void): void {
    this.#raw.write(PONG, () => listener())
  }

  ping (data: string): void {
    this.#socket.ping(data)
  }

  pause (): void {
    this.#socket.pause()
  }

  resume (): void {
    this.#socket.resume()
  }

  close (code: number, reason: string): void {
    this.#socket.close(code, fitReason(reason))
  }

  terminate (): void {
    this.#socket.terminate()
  }

  /** With TLS the kernel still sends its buffer: a TLS socket is only destroyed. */
  reset (): void {
    reset(this.#raw)
  }
}
