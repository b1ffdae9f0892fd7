import type { Connection } from '../socket/connection.js'
import type { Identity } from '../socket/identity.js'
import { sentAnswer } from './answer.js'
import { frameId, type ClientMessage } from './decode.js'
import { encode } from '../socket/encode.js'

/** Answers a frame with an error. */
interface Failing { fail: (exchange: Exchange, error: unknown) => void }

/** One frame of a client and its one answer. */
export class Exchange<M extends object = ClientMessage> {
  /** The message as it arrived; once checked, without fields that its schema does not name. */
  message: M
  readonly connection: Connection
  /** The identity that sent it, even if the socket switches users meanwhile. */
  readonly identity: Identity
  /** Read once; undefined: the frame asks for no answer. */
  readonly id: string | number | undefined
  /** Whether an answer is wanted that is not given yet: a frame asks for one by its `id`. */
  wantsReply: boolean
  /** Whether the answer is given. */
  isAnswered = false
  readonly #failing: Failing

  constructor (message: M, connection: Connection, failing: Failing) {
    this.message = message
    this.connection = connection
    this.identity = connection.identity
    this.#failing = failing
    this.id = frameId(message as unknown as ClientMessage)
    this.wantsReply = this.id !== undefined
  }

  /**
   * Answers, once; a frame that wants no answer gets none.
   *
   * @throws TypeError for data that JSON cannot hold, or leaves out; the answer is not given then
   */
  reply (data: unknown): void {
    if (!this.wantsReply) return
    const frame = encode({ type: 'reply', id: this.id, data: sentAnswer(data) })
    this.wantsReply = false
    this.isAnswered = true
    this.connection.send(frame)
  }

  /** The identity is over: a frame that waits for its answer gets it now, and nothing comes after it. */
  abandon (reason: Error): void {
    if (this.wantsReply) this.#failing.fail(this as unknown as Exchange, reason)
    this.wantsReply = false
    this.isAnswered = true
  }
}
