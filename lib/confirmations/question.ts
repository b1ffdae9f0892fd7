import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { TaskStepResultFrame, type AnsweredBy, type ConfirmationRecord, type TaskStepResult } from '../../schemas/records.js'
import type { AnySchema } from '../any-schema.js'
import { InvalidArgumentError } from '../errors.js'
import { assertValid, below, faultsOf, invalidMessage } from '../validation/faults.js'
import { snapshot } from '../protocol/snapshot.js'
import type { Checker } from '../validation/compiled-schema.js'
import { compileJsonSchema, toJsonSchema } from '../validation/json-schema.js'
import type { ConfirmationOptions } from './options.js'
import { nextQuestionId } from './question-id.js'

/** Fields common to all ends of a question. */
interface QuestionEnd {
  callback_id: string
  /** Redis lost writes while the question was open: an earlier answer may have been among them. */
  uncertain?: true
}

/** A person chose to proceed. `answer` is as the question's `answer` schema describes it; without a schema it can be missing. */
export type ConfirmedQuestion<A = unknown> = QuestionEnd & { outcome: 'confirmed', proceed: true, feedback?: string, answered_by: AnsweredBy } &
  (unknown extends A ? { answer?: A } : { answer: A })

/** A person declined. An answer that comes with it is not checked. */
export interface DeclinedQuestion extends QuestionEnd {
  outcome: 'declined'
  proceed: false
  feedback?: string
  answer?: unknown
  answered_by: AnsweredBy
}

/** No answer came in time. `onTimeout` decides about `proceed`. */
export interface ExpiredQuestion extends QuestionEnd {
  outcome: 'expired'
  proceed: boolean
  feedback?: undefined
  answer?: undefined
  answered_by?: undefined
}

/** The question was cancelled or aborted, or the only server closed. `feedback` is that of `confirmations.cancel`. */
export interface WithdrawnQuestion extends QuestionEnd {
  outcome: 'cancelled' | 'aborted' | 'closed'
  proceed: false
  feedback?: string
  answer?: undefined
  answered_by?: undefined
}

/** The result of `ws.notifyUser()` (row A5), told apart by `outcome`. Only a person's answer has `answered_by`. */
export type UserConfirmation<A = unknown> = ConfirmedQuestion<A> | DeclinedQuestion | ExpiredQuestion | WithdrawnQuestion

/** The user whom `ws.notifyUser()` asks, and how the question ends without an answer (row A5). */
export interface AskOptions<S extends AnySchema = AnySchema> {
  /** The user who is asked; nobody else can answer. */
  userId: string
  /** The task that the question is about. */
  taskId: string
  /** The step's number or name; by default the result's own. */
  step?: string | number | undefined
  /** How long to wait, milliseconds; default `confirmations.timeoutMs`. */
  timeoutMs?: number | undefined
  /** Meaning of no answer; default `confirmations.onTimeout`. */
  onTimeout?: 'proceed' | 'cancel' | undefined
  /** Schema of `answer` where the person goes on. Every node checks it as JSON Schema, so it can hold no `Type.Date`. Default: any answer is valid. */
  answer?: S | undefined
  /** Ends the question as `aborted` when it fires; default: none. */
  signal?: AbortSignal | undefined
}

/** The question itself: the result of a step. The step can also be named in the options. */
export type StepResult = Omit<TaskStepResult, 'step'> & {
  /** The step's number or name. */
  step?: string | number | undefined
}

const checkQuestion = TypeCompiler.Compile(TaskStepResultFrame)

/**
 * Makes the record of a new question.
 *
 * @param now by the clock that the nodes share
 * @throws WSM_ERR_INVALID_MESSAGE; see `Confirmations.ask`
 */
export function toRecord (result: StepResult, options: AskOptions, defaults: ConfirmationOptions['confirmations'], now: number): ConfirmationRecord {
  const { timeoutMs = defaults.timeoutMs } = options
  const expiresAt = now + timeoutMs
  // A snapshot, since it is sent again on later connects, when the app may have changed its result.
  const question: unknown = snapshot({
    type: 'task_step_result',
    callback_id: nextQuestionId(now),
    step: options.step ?? result.step,
    message: result.message,
    result: result.result ?? null,
    completed: result.completed ?? false,
    status: result.status ?? null,
    error_code: result.error_code ?? null,
    error_message: result.error_message ?? null,
    user_id: options.userId,
    task_id: options.taskId,
    timestamp: now,
    expires_at: expiresAt,
    on_timeout: options.onTimeout ?? defaults.onTimeout,
    answer_schema: options.answer === undefined ? undefined : answerSchema(options.answer)
  })
  assertValid(checkQuestion, question)
  return {
    callback_id: question.callback_id,
    user_id: question.user_id,
    task_id: question.task_id,
    status: 'pending',
    question,
    created_at: now,
    expires_at: expiresAt,
    settled_at: null,
    proceed: null,
    answered_by: null
  }
}

/**
 * Compiles the check of a question's answers, the same on every node. null: any answer is valid.
 *
 * @throws SchemaError for what this node cannot check
 */
export function answerCheck ({ question }: ConfirmationRecord): Checker | null {
  return question.answer_schema === undefined ? null : compileJsonSchema(question.answer_schema)
}

/** @throws WSM_ERR_INVALID_MESSAGE with paths as in a `confirm` frame */
export function assertAnswers (check: Checker | null, answer: unknown): void {
  if (check !== null && !check.Check(answer)) throw invalidMessage(faultsOf(check, answer).map(below('/answer')))
}

/** Compiles the schema at once, so that `ask` refuses one that no node could check. */
function answerSchema (schema: unknown): TSchema {
  try {
    const json = snapshot(toJsonSchema(schema))
    compileJsonSchema(json)
    return json
  } catch (error) {
    throw new InvalidArgumentError('ws.notifyUser', `options.answer: The answer schema ${(error as Error).message}`)
  }
}

/** Tells whether no answer means to proceed. */
export function meansProceed ({ question }: ConfirmationRecord): boolean {
  return question.on_timeout === 'proceed'
}

export function toConfirmation<A> (record: ConfirmationRecord): UserConfirmation<A> {
  const { callback_id, proceed, status, feedback, answer, answered_by, uncertain } = record
  // The fields depend on the status, which the type of a record does not say.
  return {
    proceed: proceed === true,
    outcome: status,
    callback_id,
    ...(feedback !== undefined && { feedback }),
    ...(answer !== undefined && { answer }),
    ...(answered_by !== null && { answered_by }),
    ...(uncertain !== undefined && { uncertain })
  } as UserConfirmation<A>
}
