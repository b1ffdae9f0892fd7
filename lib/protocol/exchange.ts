import type { Connection } from '../socket/connection.js'
import type { Identity } from '../socket/identity.js'
import { frameId, type ClientMessage } from './decode.js'
import { encodeReply, replyJson, type ReplySchema } from './reply.js'
import { failureOf, replyOf, type KnownOutcome, type RecordOutcome } from './repeatable-calls.js'

/** Answers a frame with an error. */
interface Failing { fail: (exchange: Exchange, error: unknown) => void }

/** Replies to the frames of one type. */
export interface ReplyTraits<M extends object = ClientMessage> {
  /** Returns the schema of the reply to a frame; null, the default: a reply is anything that JSON can hold. */
  replySchemaOf?: (message: M) => ReplySchema | null
  /** Tells whether a frame without an `id` gets a reply, too; default: it gets none. */
  wantsReply?: (message: M) => boolean
}

/** One frame of a client and its one answer. */
export class Exchange<M extends object = ClientMessage> {
  /** The checked message, without fields that its schema does not name. */
  readonly message: M
  readonly connection: Connection
  /** The identity that sent it, even if the socket switches users meanwhile. */
  readonly identity: Identity
  /** True if the answer is given. */
  isAnswered = false
  readonly #id: string | number | undefined
  readonly #wantsReply: boolean
  readonly #schema: ReplySchema | null
  readonly #failing: Failing
  /** True if a reply is given, which for a frame that wants none means: checked. */
  #isReplied = false
  /** True once the handler has been called: before that, a refused frame has had no effect. */
  #isStarted = false
  /** Records the outcome of a frame with an idempotency key, until it has one. */
  #record: RecordOutcome | null = null

  constructor (message: M, connection: Connection, traits: ReplyTraits<M>, failing: Failing) {
    this.message = message
    this.connection = connection
    this.identity = connection.identity
    this.#id = frameId(message as unknown as ClientMessage)
    this.#wantsReply = this.#id !== undefined || traits.wantsReply?.(message) === true
    this.#schema = traits.replySchemaOf?.(message) ?? null
    this.#failing = failing
  }

  /** Records the outcome: the first reply, or the error. Also if the identity or the socket has ended by then. */
  onOutcome (record: RecordOutcome): void {
    this.#record = record
  }

  /** Called when the handler is. */
  started (): void {
    this.#isStarted = true
  }

  /** Called when the frame has failed. An earlier reply counts. */
  failed (error: unknown): void {
    const record = this.#record
    if (record === null) return
    this.#record = null
    record(this.#isStarted ? failureOf(error, this.identity.isOver || !this.connection.isOpen) : null)
  }

  /** Answers the frame as an earlier one was. @throws the earlier one's error */
  repeat (outcome: KnownOutcome): void {
    if (this.#isReplied) return
    const json = replyOf(outcome)
    this.#isReplied = true
    this.#sendReply(json)
  }

  /** Ends a frame whose client has gone before it was run. */
  drop (): void {
    this.#isReplied = true
  }

  /**
   * Replies with a handler's result or the argument of `context.reply()`; the first reply counts. A frame that wants none gets none,
   * but a reply that does not match its schema is a fault there, too.
   *
   * @throws as `replyJson`; the frame has no reply then
   */
  reply (data: unknown): void {
    const isWanted = !this.#isReplied && (this.#wantsReply || this.#schema !== null)
    if (!isWanted && this.#record === null) return
    const json = replyJson(data, this.#schema, this.identity)
    this.#record?.({ json })
    this.#record = null
    if (this.#isReplied) return
    this.#isReplied = true
    this.#sendReply(json)
  }

  #sendReply (json: string): void {
    if (!this.#wantsReply) return
    const frame = encodeReply(this.#id, json)
    this.isAnswered = true
    this.connection.send(frame)
  }

  /** Fails a frame that still waits for its reply, since its identity is over; nothing is sent for it afterwards. */
  abandon (reason: Error): void {
    if (this.#wantsReply && !this.isAnswered) this.#failing.fail(this as unknown as Exchange, reason)
    this.#isReplied = true
    this.isAnswered = true
  }
}
