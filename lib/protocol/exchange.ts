import type { Connection } from '../connection/connection.js'
import { frameId, type ClientMessage } from './decode.js'
import { encode } from './encode.js'

/** One frame of a client and its one answer. */
export class Exchange<M extends object = ClientMessage> {
  /** As it came; without the fields that its schema does not name, once it is checked. */
  message: M
  readonly connection: Connection
  /** Whether an answer is wanted that is not given yet: a frame asks for one by its `id`. */
  wantsReply: boolean
  /** Whether the answer is given. */
  isAnswered = false

  constructor (message: M, connection: Connection) {
    this.message = message
    this.connection = connection
    this.wantsReply = this.#id !== undefined
  }

  /**
   * Answers, once; a frame that wants no answer gets none.
   *
   * @throws TypeError for data that JSON cannot hold; the answer is not given then
   */
  reply (data: unknown): void {
    if (!this.wantsReply) return
    const frame = encode({ type: 'reply', id: this.#id, data: data ?? null })
    this.wantsReply = false
    this.isAnswered = true
    this.connection.send(frame)
  }

  get #id (): string | number | undefined {
    return frameId(this.message as ClientMessage)
  }
}
