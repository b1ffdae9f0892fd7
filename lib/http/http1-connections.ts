import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AwaitedAnswers } from './awaited-answers.js'
import type { ClosingTime } from './closing-time.js'

interface Connection {
  acceptedAt: number
  /** Time at which its last response ended; null before its first request. */
  quietSince: number | null
  /** Response of the latest request; null between two requests. */
  last: ServerResponse | null
}

/** Node's internal fields of a connection: the response being sent, with others queued behind it, and the parser. */
type NodeSocket = Socket & { _httpMessage?: ServerResponse | null, parser?: object | null, server: object }

/** The HTTP/1.1 connections. */
export class Http1Connections {
  readonly #connections = new Map<Socket, Connection>()
  readonly #time: ClosingTime
  readonly #answers = new AwaitedAnswers()
  /** One shared function, so a connection costs an entry and no closure; likewise for requests. */
  readonly #forget: (this: Socket) => void
  readonly #answered: (this: ServerResponse) => void
  #isEnding = false

  constructor (time: ClosingTime) {
    this.#time = time
    const connections = this.#connections
    this.#forget = function () { connections.delete(this) }
    this.#answered = function () {
      const connection = connections.get(this.req.socket)
      if (connection?.last === this) Object.assign(connection, { last: null, quietSince: performance.now() })
    }
  }

  get size (): number {
    return this.#connections.size
  }

  add (socket: Socket): void {
    this.#connections.set(socket.on('close', this.#forget), { acceptedAt: performance.now(), quietSince: null, last: null })
  }

  remove (socket: Socket): void {
    this.#connections.delete(socket)
    socket.removeListener('close', this.#forget)
  }

  /** Registers a request. False: it arrived too late, behind the last one, and gets no response. */
  addRequest ({ socket }: IncomingMessage, answer: ServerResponse): boolean {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return true
    if (connection.last !== null && performance.now() >= this.#time.deadline) return false
    connection.last = answer.on('close', this.#answered)
    if (this.#isEnding) this.#endBehind(connection, answer)
    return true
  }

  /** Ends each connection with its last response from now on; the response says so. */
  end (): void {
    this.#isEnding = true
    for (const connection of this.#connections.values()) {
      if (connection.last !== null && !connection.last.headersSent) this.#endBehind(connection, connection.last)
    }
  }

  /** Destroys connections that are no longer awaited. */
  sweep (now: number): void {
    const parsers = new Map<object, ReadonlySet<unknown>>()
    for (const [socket, { acceptedAt, quietSince }] of this.#connections) {
      const { _httpMessage: answer } = socket as NodeSocket
      const isArriving = now < this.#time.deadline
      const isKept = answer == null
        ? this.#time.isKept(acceptedAt, quietSince, now) || (isArriving && socket.bytesRead > 0 && isInMessage(socket, parsers))
        : !this.#time.isOver || this.#answers.isAwaited(answer, answer, answer.req.complete || isArriving)
      if (!isKept) socket.destroy()
    }
  }

  /** Decides when the response's head is written, because more requests can arrive until then. */
  #endBehind (connection: Connection, answer: ServerResponse): void {
    const { writeHead, req } = answer
    const isLast = () => connection.last === answer && (!req.complete || !isInMessage(req.socket, new Map()) || performance.now() >= this.#time.deadline)
    answer.writeHead = (...head: unknown[]) => {
      if (isLast()) answer.shouldKeepAlive = false
      // Fastify adds it to every response while closing, and Node would drop the pipelined requests.
      else answer.removeHeader('connection')
      return Reflect.apply(writeHead, answer, head) as ServerResponse
    }
  }
}

/**
 * Returns true while a request's head or body is arriving, and before the first request.
 *
 * @param parsers those of each server for which that is so, as far as they are looked up
 */
function isInMessage (socket: Socket, parsers: Map<object, ReadonlySet<unknown>>): boolean {
  const { parser, server } = socket as NodeSocket
  let found = parsers.get(server)
  if (found === undefined) parsers.set(server, found = parsersInMessage(server))
  return found.has(parser)
}

/** Reads Node's own list of a server's parsers. Since Node.js 22 a parser does not tell its `duration()` any more. */
function parsersInMessage (server: object): ReadonlySet<unknown> {
  const keys = Object.getOwnPropertySymbols(server).filter(({ description }) => description === 'http.server.connections')
  return new Set(keys.flatMap((key) => (server as Record<symbol, { active: () => object[] }>)[key]!.active()))
}
