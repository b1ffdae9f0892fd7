import type { ConfirmationRecord, TaskStepResultFrame } from '../schemas/records.js'
import type { Core, Receivers } from './core.js'
import type { QuestionAnswer, QuestionData, QuestionKind } from './contract-types.js'
import { LiveList } from './live-list.js'

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
  /** Step of the task that it is about. */
  readonly step: string | number
  /** Output of the step that is asked about, any JSON. */
  readonly result: unknown
  /** When it expires, on the server's clock, milliseconds since 1970. */
  readonly expiresAt: number
  /** Outcome when it expires without an answer. */
  readonly onTimeout: 'proceed' | 'cancel'
  /** True if the server may have lost an earlier answer: tell the user. */
  readonly isUncertain: boolean
  readonly #core: Core

  /** @internal */
  constructor (frame: TaskStepResultFrame, core: Core) {
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
    this.#core = core
  }

  /** Milliseconds until it expires, by the server's clock. */
  get remainingMs (): number {
    return Math.max(0, this.expiresAt - this.#core.wire.serverNow)
  }

  /**
   * Proceeds, with the answer if the question takes one. Rejects with `already_settled` if somebody was faster, and with `invalid_message` if
   * the answer does not match `answerSchema`: `details` has the faulty places, and the question stays open.
   */
  async answer (...[answer, feedback]: undefined extends QuestionAnswer<C, K> ? [answer?: QuestionAnswer<C, K>, feedback?: string] : [answer: QuestionAnswer<C, K>, feedback?: string]): Promise<void> {
    await this.#core.requests.send({ type: 'confirm', callback_id: this.id, proceed: true, answer, feedback })
  }

  /** Does not proceed. Rejects as `answer` does. */
  async decline (reason?: string): Promise<void> {
    await this.#core.requests.send({ type: 'confirm', callback_id: this.id, proceed: false, feedback: reason })
  }
}

/** An open question of any kind; `kind` tells which. */
export type AnyConfirmation<C> = unknown extends C ? Confirmation<C> : { [K in QuestionKind<C>]: Confirmation<C, K> & { readonly kind: K } }[QuestionKind<C>]

/** The questions that wait for the user, oldest first. */
export class Confirmations<C> extends LiveList<TaskStepResultFrame, AnyConfirmation<C>> {
  /** @internal */
  constructor (core: Core) {
    super({
      core,
      name: 'confirmations',
      query: '&status=pending',
      pick: (record: ConfirmationRecord) => record.question,
      id: 'callback_id',
      time: 'timestamp',
      show: (frame) => new Confirmation<any, any>(frame, core) as AnyConfirmation<C>,
      // The server sends open questions again: a form that is being filled in is not made anew.
      isSame: (a, b) => a.expires_at === b.expires_at && a.uncertain === b.uncertain
    })
  }

  /** @internal */
  readonly receivers: Receivers = {
    task_step_result: (frame) => this.tell(frame.callback_id, frame as unknown as TaskStepResultFrame),
    confirmation_closed: (frame) => this.tell(frame.callback_id, null)
  }
}
