import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'

export type Answer = ServerResponse | Http2ServerResponse

/** Decides how long a closing server waits for a response. */
export class AwaitedAnswers {
  /** Responses that were unread at the previous check. */
  readonly #unread = new WeakSet<Answer>()

  /**
   * Returns true if the server should wait: while the app works on the response, and for one more check, so that the client can
   * read it.
   *
   * @param mayCome true if its whole request has arrived, or still may
   */
  isAwaited (answer: Answer, { writableNeedDrain }: { writableNeedDrain: boolean }, mayCome: boolean): boolean {
    // Fastify ends a long HTTP/2 response only once nearly all of it is read.
    if (!answer.writableEnded && !writableNeedDrain) {
      this.#unread.delete(answer)
      return mayCome || answer.headersSent
    }
    if (this.#unread.has(answer)) return false
    this.#unread.add(answer)
    return true
  }
}
