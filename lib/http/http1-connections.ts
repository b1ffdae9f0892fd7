import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AwaitedAnswers } from './awaited-answers.js'
import type { ClosingTime } from './closing-time.js'

interface Connection {
  acceptedAt: number
  /** When its last answer had ended; null before its first request. */
  quietSince: number | null
  /** The answer behind which no other request has arrived; null between two requests. */
  last: ServerResponse | null
}

/** Node's own fields of a connection: the answer being sent, with others queued behind it, and the parser. */
type NodeSocket = Socket & { _httpMessage?: ServerResponse | null, parser?: { duration: () => number } | null }

/** The connections of HTTP/1.1. */
export class Http1Connections {
  readonly #connections = new Map<Socket, Connection>()
  readonly #time: ClosingTime
  readonly #answers = new AwaitedAnswers()
  /** One function for all, so that a connection costs an entry and nothing else; so with requests. */
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

  /** Registers a request. False: it came too late, behind another, and is not answered any more. */
  began ({ socket }: IncomingMessage, answer: ServerResponse): boolean {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return true
    if (connection.last !== null && performance.now() >= this.#time.deadline) return false
    connection.last = answer.on('close', this.#answered)
    if (this.#isEnding) this.#endBehind(connection, answer)
    return true
  }

  /** From now on each connection ends with the last answer on it, which says so. */
  end (): void {
    this.#isEnding = true
    for (const connection of this.#connections.values()) {
      if (connection.last !== null && !connection.last.headersSent) this.#endBehind(connection, connection.last)
    }
  }

  /** Cuts what is not waited for any longer. */
  look (now: number): void {
    for (const [socket, { acceptedAt, quietSince }] of this.#connections) {
      const { _httpMessage: answer } = socket as NodeSocket
      const isArriving = now < this.#time.deadline
      const isKept = answer == null
        ? this.#time.isKept(acceptedAt, quietSince, now) || (isArriving && socket.bytesRead > 0 && isInMessage(socket))
        : !this.#time.isOver || this.#answers.isAwaited(answer, answer, answer.req.complete || isArriving)
      if (!isKept) socket.destroy()
    }
  }

  /** Decides when the answer's head is written: until then more can arrive behind it. */
  #endBehind (connection: Connection, answer: ServerResponse): void {
    const { writeHead, req } = answer
    const isLast = () => connection.last === answer && (!req.complete || !isInMessage(req.socket) || performance.now() >= this.#time.deadline)
    answer.writeHead = (...head: unknown[]) => {
      if (isLast()) answer.shouldKeepAlive = false
      // Fastify says it in every answer while it closes, and Node would drop the requests behind.
      else answer.removeHeader('connection')
      return Reflect.apply(writeHead, answer, head) as ServerResponse
    }
  }
}

/** Tells whether a request is arriving: its head, or its body. Before the first it counts as arriving, too. */
function isInMessage (socket: Socket): boolean {
  const { parser } = socket as NodeSocket
  return parser != null && parser.duration() > 0
}
