import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { TaskStepResultFrame, type AnsweredBy, type ConfirmationRecord, type TaskStepResult } from '../../schemas/records.js'
import type { AnySchema } from '../any-schema.js'
import type { PreparedKind } from '../contract/prepared.js'
import type { QuestionData, QuestionKind } from '../contract/registered.js'
import { InvalidArgumentError } from '../errors.js'
import { assertValid, below, checkedMessage, faultsOf, invalidMessage } from '../validation/faults.js'
import { snapshot } from '../protocol/snapshot.js'
import type { CompiledSchema } from '../validation/compiled-schema.js'
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

/** Conditions on which a question is asked. */
interface AskedBase {
  /** The user who is asked; nobody else can answer. */
  to: { user: string }
  /** Text shown to the user. */
  message: string
  /** The task that the question is about; default: none. */
  taskId?: string | undefined
  /** Name or number of the task's step; default: the kind. */
  step?: string | number | undefined
  /** How long to wait, milliseconds; default `confirmations.timeoutMs`. */
  timeoutMs?: number | undefined
  /** Meaning of no answer; default `confirmations.onTimeout`. */
  onTimeout?: 'proceed' | 'cancel' | undefined
  /** Ends the question as `aborted` when it fires; default: none. */
  signal?: AbortSignal | undefined
}

/** A question of `ws.confirmations.ask()` without a contract. */
export interface Question<S extends AnySchema = AnySchema> extends AskedBase {
  /** Kind of the question, namespaced: `train.failed`. */
  kind: string
  /** Facts shown beside the message, any JSON. */
  data?: unknown
  /** Schema of `answer` where the person goes on, as for {@link AskOptions}. Default: any answer is valid. */
  answer?: S | undefined
}

/** A question of a kind of the contract, which has the schemas of `data` and of the answer. */
export type ContractQuestion<K extends QuestionKind> = AskedBase & { kind: K } &
  (unknown extends QuestionData<K> ? { data?: unknown } : undefined extends QuestionData<K> ? { data?: undefined } : { data: QuestionData<K> })

/** A question that has been stored. */
export interface AskedQuestion<A = unknown> {
  callbackId: string
  /**
   * Resolves when the question has ended, however it ended; it can be called more than once.
   *
   * @throws the signal's reason when it fires: the question goes on; WSM_ERR_WAIT_INTERRUPTED as for `ws.notifyUser()`
   */
  settled: (options?: { signal?: AbortSignal | undefined }) => Promise<UserConfirmation<A>>
}

/** The question itself: the result of a step. The step can also be named in the options. */
export type StepResult = Omit<TaskStepResult, 'step'> & {
  /** The step's number or name. */
  step?: string | number | undefined
}

const checkQuestion = TypeCompiler.Compile(TaskStepResultFrame)

/** What is asked, by either method. */
export interface Draft {
  /** The fields of the question that the app gives. */
  fields: StepResult
  /** Kind of the question, and its facts; undefined: it is about a step. */
  kind?: string
  data?: unknown
  userId: string
  taskId: string | null
  timeoutMs: number | undefined
  onTimeout: 'proceed' | 'cancel' | undefined
  signal: AbortSignal | undefined
  /** JSON Schema of the answer, as JSON carries it; undefined: any answer is valid. */
  answer: TSchema | undefined
}

/** Drafts the question of a step. @throws WSM_ERR_INVALID_ARGUMENT for an answer schema that no node could check */
export function draftOfStep (result: StepResult, { userId, taskId, step, timeoutMs, onTimeout, signal, answer }: AskOptions): Draft {
  return { fields: step === undefined ? result : { ...result, step }, userId, taskId, timeoutMs, onTimeout, signal, answer: answerSchema('ws.notifyUser', 'options.answer', answer) }
}

/**
 * Drafts a question of a kind.
 *
 * @param kinds kinds of the contract; null: there is no contract
 * @throws WSM_ERR_INVALID_ARGUMENT for a kind that is not in the contract, data that the kind does not describe, and an answer schema that
 *   no node could check or that is not the contract's to give
 */
export function draftOf (question: Question, kinds: ReadonlyMap<string, PreparedKind> | null): Draft {
  const { kind, to, message, taskId = null, step = kind, timeoutMs, onTimeout, signal, answer } = question
  const data = question.data === undefined ? undefined : snapshot(question.data)
  const draft = { fields: { message, step }, kind, data, userId: to.user, taskId, timeoutMs, onTimeout, signal }
  if (kinds === null) return { ...draft, answer: answerSchema(ASK, 'question.answer', answer) }
  const known = kinds.get(kind)
  if (known === undefined) throw new InvalidArgumentError(ASK, `question.kind: "${kind}" is not a kind of the contract`)
  if (answer !== undefined) throw new InvalidArgumentError(ASK, 'question.answer: the contract has the schema of the answer')
  if (known.data === null && data !== undefined) throw new InvalidArgumentError(ASK, `question.data: a question of the kind "${kind}" has none by the contract`)
  if (known.data !== null && !known.data.Check(data)) throw invalidMessage(faultsOf(known.data, data).map(below('/data')))
  return { ...draft, answer: known.answer?.schema }
}

const ASK = 'ws.confirmations.ask'

/**
 * Makes the record of a new question.
 *
 * @param now by the clock that the nodes share
 * @throws WSM_ERR_INVALID_MESSAGE; see `Confirmations.ask`
 */
export function toRecord ({ fields, kind, data, userId, taskId, answer, ...draft }: Draft, defaults: ConfirmationOptions['confirmations'], now: number): ConfirmationRecord {
  const { timeoutMs = defaults.timeoutMs, onTimeout = defaults.onTimeout } = draft
  const expiresAt = now + timeoutMs
  // A snapshot, since it is sent again on later connects, when the app may have changed its result.
  const stored = snapshot({
    type: 'task_step_result',
    callback_id: nextQuestionId(now),
    step: fields.step,
    message: fields.message,
    result: fields.result ?? null,
    completed: fields.completed ?? false,
    status: fields.status ?? null,
    error_code: fields.error_code ?? null,
    error_message: fields.error_message ?? null,
    user_id: userId,
    task_id: taskId,
    kind,
    data,
    timestamp: now,
    expires_at: expiresAt,
    on_timeout: onTimeout
  })
  const question: unknown = answer === undefined ? stored : { ...stored, answer_schema: answer }
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
 * Returns the check of a question's answers, the same on every node. null: any answer is valid.
 *
 * @param kinds kinds of the contract, which have theirs compiled; null: there is no contract
 * @throws SchemaError for what this node cannot check
 */
export function answerCheck ({ question }: ConfirmationRecord, kinds: ReadonlyMap<string, PreparedKind> | null): CompiledSchema | null {
  if (question.answer_schema === undefined) return null
  const own = kinds?.get(question.kind!)?.answer
  return own?.isThatOf(question) === true ? own.check : compileJsonSchema(question.answer_schema)
}

/** Checks an answer, and removes its unknown fields. @throws WSM_ERR_INVALID_MESSAGE with paths as in a `confirm` frame */
export function checkedAnswer<T> (check: CompiledSchema | null, answer: T): T {
  return check === null ? answer : checkedMessage(check, answer, '/answer')
}

/** Compiles the schema at once, so that a method refuses one that no node could check. */
function answerSchema (method: string, argument: string, schema: unknown): TSchema | undefined {
  if (schema === undefined) return undefined
  try {
    const json = snapshot(toJsonSchema(schema))
    compileJsonSchema(json)
    return json
  } catch (error) {
    throw new InvalidArgumentError(method, `${argument}: The answer schema ${(error as Error).message}`)
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
