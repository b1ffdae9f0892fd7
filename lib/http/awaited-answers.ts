import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'

export type Answer = ServerResponse | Http2ServerResponse

/** Tells for how long a closing server waits for an answer. */
export class AwaitedAnswers {
  /** Answers that were unread at the check before. */
  readonly #unread = new WeakSet<Answer>()

  /**
   * Whether to wait for an answer: while the app works on it, and then for one more check, so that the client can read it.
   *
   * @param mayCome whether all of its request is there, or may still come
   */
  isAwaited (answer: Answer, { writableNeedDrain }: { writableNeedDrain: boolean }, mayCome: boolean): boolean {
    // Fastify ends a long answer over HTTP/2 only when nearly all of it is read.
    if (!answer.writableEnded && !writableNeedDrain) {
      this.#unread.delete(answer)
      return mayCome || answer.headersSent
    }
    if (this.#unread.has(answer)) return false
    this.#unread.add(answer)
    return true
  }
}
