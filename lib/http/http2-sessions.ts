import { constants, type Http2ServerResponse, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import { AwaitedAnswers } from './awaited-answers.js'
import type { ClosingTime } from './closing-time.js'

interface Session {
  acceptedAt: number
  /** Null before its first request. */
  quietSince: number | null
  /** Node's own `close`, which sends the GOAWAY. */
  close: () => void
}

/** The HTTP/2 sessions: one entry for each session, its connection and each open stream, none for finished requests. */
export class Http2Sessions {
  readonly #time: ClosingTime
  readonly #answers = new AwaitedAnswers()
  readonly #sessions = new Map<Http2Session, Session>()
  readonly #sockets = new Set<Duplex>()
  readonly #streams = new Map<ServerHttp2Stream, Http2ServerResponse>()

  constructor (time: ClosingTime) {
    this.#time = time
  }

  get size (): number {
    return this.#sessions.size + this.#sockets.size + this.#streams.size
  }

  addSocket (socket: Duplex): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (this.#time.isOver) destroyWhenFinished(socket)
  }

  addSession (session: ServerHttp2Session): void {
    const { close } = session
    this.#sessions.set(session, { acceptedAt: performance.now(), quietSince: null, close: () => { close.call(session) } })
    session.once('close', () => this.#sessions.delete(session))
    // Fastify closes all sessions. A GOAWAY refuses requests that are on the way (nghttp2 offers no other), so a check sends it
    // later.
    session.close = (callback) => {
      if (!this.#time.isOver) return close.call(session, callback)
      session.once('close', () => { callback?.() })
    }
  }

  addStream (stream: ServerHttp2Stream, answer: Http2ServerResponse): void {
    this.#streams.set(stream, answer)
    stream.once('close', () => this.#streams.delete(stream))
    const session = this.#sessions.get(stream.session!)
    if (session !== undefined) session.quietSince = 0
  }

  /** Destroys every session's socket once everything is written to it. */
  destroyFinished (): void {
    for (const socket of this.#sockets) destroyWhenFinished(socket)
  }

  /** Destroys sessions that are no longer awaited. */
  sweep (now: number): void {
    const busy = new Set<Http2Session | undefined>()
    for (const [stream, answer] of this.#streams) {
      if (this.#answers.isAwaited(answer, stream, isComplete(stream) || now < this.#time.deadline)) busy.add(stream.session)
      else stream.destroy()
    }
    // A session that was destroyed after its close() waits for its client to read.
    if ([...this.#sessions.keys()].every(({ destroyed }) => destroyed)) for (const socket of this.#sockets) socket.destroy()
    for (const [session, { acceptedAt, quietSince, close }] of this.#sessions) {
      if (this.#time.isKept(acceptedAt, quietSince, now)) continue
      if (busy.has(session)) close()
      else session.destroy()
    }
  }
}

/** True once the client has sent the whole request, read or not. */
function isComplete (stream: ServerHttp2Stream): boolean {
  return stream.endAfterHeaders || stream.state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE
}

/** Destroys a session's socket once everything is written: otherwise it waits until the client ends the connection. */
function destroyWhenFinished (socket: Duplex): void {
  socket.once('finish', () => socket.destroy())
}
