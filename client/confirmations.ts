import type { ConfirmationRecord, TaskStepResultFrame } from '../schemas/records.js'
import type { ServerClock } from './clock.js'
import type { Frame } from './connection.js'
import type { QuestionAnswer, QuestionData, QuestionKind } from './contract-types.js'
import type { Fail } from './emitter.js'
import { ListStore } from './store.js'

/** How an open question is answered. */
export interface ConfirmationHost {
  fail: Fail
  clock: ServerClock
  request: (frame: Frame) => Promise<any>
  /** The open questions of the user, by REST. */
  load: () => Promise<ConfirmationRecord[]>
}

/** A question to the user that is still open. */
export class Confirmation<C = unknown, K extends string = string> {
  /** Identifies the question. */
  readonly id: string
  /** Namespaced kind of the contract; null: it has none. */
  readonly kind: K | null
  /** The question, as text. */
  readonly question: string
  /** Facts to decide by. */
  readonly data: QuestionData<C, K>
  /** JSON Schema of the answer; null: only yes or no is asked. */
  readonly answerSchema: object | null
  /** Task that it is about; null: none. */
  readonly taskId: string | null
  readonly step: string | number
  /** Output of the step that is asked about, any JSON. */
  readonly result: unknown
  /** When it expires, on the server's clock, milliseconds since 1970. */
  readonly expiresAt: number
  /** What happens then. */
  readonly onTimeout: 'proceed' | 'cancel'
  /** True if an earlier answer may have been lost with a part of Redis: say so. */
  readonly isUncertain: boolean
  readonly #host: ConfirmationHost

  /** @internal */
  constructor (frame: TaskStepResultFrame, host: ConfirmationHost) {
    this.id = frame.callback_id
    this.kind = (frame.kind ?? null) as K | null
    this.question = frame.message
    this.data = frame.data as QuestionData<C, K>
    this.answerSchema = (frame.answer_schema ?? null) as object | null
    this.taskId = frame.task_id
    this.step = frame.step
    this.result = frame.result
    this.expiresAt = frame.expires_at
    this.onTimeout = frame.on_timeout
    this.isUncertain = frame.uncertain === true
    this.#host = host
  }

  /** Milliseconds until it expires, by the server's clock. */
  get remainingMs (): number {
    return Math.max(0, this.expiresAt - this.#host.clock.now)
  }

  /**
   * Proceeds, with the answer where the question takes one. Rejects with `already_settled` where somebody was faster, and with
   * `invalid_message` and the faulty places in `details` where the answer does not match; the question stays open then.
   */
  async answer (...[answer, feedback]: undefined extends QuestionAnswer<C, K> ? [answer?: QuestionAnswer<C, K>, feedback?: string] : [answer: QuestionAnswer<C, K>, feedback?: string]): Promise<void> {
    await this.#host.request({ type: 'confirm', callback_id: this.id, proceed: true, ...answer !== undefined && { answer }, ...feedback !== undefined && { feedback } })
  }

  /** Does not proceed. Rejects as `answer` does. */
  async decline (reason?: string): Promise<void> {
    await this.#host.request({ type: 'confirm', callback_id: this.id, proceed: false, ...reason !== undefined && { feedback: reason } })
  }
}

/** The open question of any kind; `kind` tells them apart. */
export type AnyConfirmation<C> = unknown extends C ? Confirmation<C> : { [K in QuestionKind<C>]: Confirmation<C, K> & { readonly kind: K } }[QuestionKind<C>]

/** The questions that wait for the user, oldest first. */
export class Confirmations<C> extends ListStore<AnyConfirmation<C>> {
  readonly #host: ConfirmationHost
  readonly #open = new Map<string, TaskStepResultFrame>()
  /** Those that have ended while the list was loaded. */
  #endedMeanwhile: Set<string> | null = null
  #loads = 0

  /** @internal */
  constructor (host: ConfirmationHost) {
    super(host.fail, 'confirmations', () => { this.connected() })
    this.#host = host
  }

  /** @internal */
  handle (frame: Frame): boolean {
    if (frame.type === 'task_step_result') this.#open.set(frame.callback_id, frame as unknown as TaskStepResultFrame)
    else if (frame.type === 'confirmation_closed') this.#ended(frame.callback_id)
    else return false
    this.#tell()
    return true
  }

  /**
   * A new socket: the server sends the open questions again, but not which of the others have ended meanwhile.
   *
   * @internal
   */
  async connected (): Promise<void> {
    if (!this.isWanted) return
    const load = ++this.#loads
    const before = [...this.#open.keys()]
    const ended = this.#endedMeanwhile = new Set()
    try {
      const found = await this.#host.load()
      if (load !== this.#loads) return
      for (const { callback_id: id, question } of found) if (!ended.has(id)) this.#open.set(id, question)
      const open = new Set(found.map(({ callback_id: id }) => id))
      for (const id of before) if (!open.has(id)) this.#open.delete(id)
      this.#tell()
    } catch (error) {
      if (load === this.#loads) this.#host.fail(error, 'loading the confirmations')
    } finally {
      if (load === this.#loads) this.#endedMeanwhile = null
    }
  }

  /** @internal */
  reset (): void {
    this.#loads++
    this.#open.clear()
    this.#tell()
  }

  #ended (id: string): void {
    this.#open.delete(id)
    this.#endedMeanwhile?.add(id)
  }

  #tell (): void {
    const known = new Map(this.current.map((confirmation) => [confirmation.id, confirmation]))
    const frames = [...this.#open.values()].sort((a, b) => a.timestamp - b.timestamp)
    const list = frames.map((frame) => {
      const same = known.get(frame.callback_id)
      // The same object for the same question: a form that is being filled in is not made anew.
      const isSame = same !== undefined && same.expiresAt === frame.expires_at && same.isUncertain === (frame.uncertain === true)
      return isSame ? same : new Confirmation<any, any>(frame, this.#host) as AnyConfirmation<C>
    })
    if (list.length !== this.current.length || list.some((confirmation, i) => confirmation !== this.current[i])) this.change(list)
  }
}
