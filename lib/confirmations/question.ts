import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { Ajv } from 'ajv'
import { TaskStepResultFrame, type AnsweredBy, type ConfirmationRecord, type Outcome, type TaskStepResult } from '../../schemas/records.js'
import { InvalidMessageError } from '../errors.js'
import { OptionsSchema, type Options } from '../options.js'
import { schemaFault } from '../protocol/compile.js'
import { assertValid, below, faultsOf, invalidMessage, type Fault } from '../protocol/faults.js'
import { snapshot } from '../protocol/snapshot.js'
import { nextQuestionId } from './question-id.js'

/** What the asking code gets (row A5). Only a person's answer has `answered_by`. */
export interface UserConfirmation<A = unknown> {
  /** Whether to go on. */
  proceed: boolean
  feedback?: string
  /** As the question's `answer` schema describes it; what came with a `declined` is not checked. */
  answer?: A
  outcome: Outcome
  answered_by?: AnsweredBy
  callback_id: string
}

export interface AskOptions<S extends TSchema = TSchema> {
  /** Who is asked; nobody else can answer. */
  userId: string
  taskId: string
  /** The step's number or name; by default the result's own. */
  step?: string | number
  /** How long to wait, milliseconds; default `confirmations.timeoutMs`. */
  timeoutMs?: number
  /** What no answer means; default `confirmations.onTimeout`. */
  onTimeout?: 'proceed' | 'cancel'
  /** What `answer` must look like where the person goes on. */
  answer?: S
  /** Takes the question back when it fires. */
  signal?: AbortSignal
}

/** The question itself: any result of a step; the name of the step can also come with the options. */
export type StepResult = Omit<TaskStepResult, 'step'> & { step?: string | number }

interface AnswerCheck { Check: (answer: unknown) => boolean, faults: () => Fault[] }

const checkQuestion = TypeCompiler.Compile(TaskStepResultFrame)
const checkTimeout = TypeCompiler.Compile(OptionsSchema.properties.confirmations.properties.timeoutMs)

/** @throws WSM_ERR_INVALID_MESSAGE; see `Confirmations.ask` */
export function toRecord (result: StepResult, options: AskOptions, defaults: Options['confirmations']): ConfirmationRecord {
  const { timeoutMs = defaults.timeoutMs } = options
  if (!checkTimeout.Check(timeoutMs)) throw invalidMessage(faultsOf(checkTimeout, timeoutMs).map(below('/timeoutMs')))
  const now = Date.now()
  const expiresAt = now + timeoutMs
  // A snapshot, since it is sent again on later connects: by then the app may have gone on with its result.
  const question: unknown = snapshot({
    type: 'task_step_result',
    callback_id: nextQuestionId(),
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
    answer_schema: options.answer
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

/** @throws WSM_ERR_INVALID_MESSAGE for what is no TypeBox schema, as a plain JSON Schema, and for patterns as in handlers */
export function compileAnswer (schema: TSchema | undefined): TypeCheck<TSchema> | null {
  if (schema === undefined) return null
  let check
  try {
    check = TypeCompiler.Compile(schema)
  } catch (error) {
    throw new InvalidMessageError(`its answer schema cannot be compiled: ${(error as Error).message}`)
  }
  const fault = schemaFault(schema)
  if (fault !== null) throw new InvalidMessageError(`its answer schema has ${fault}`)
  return check
}

/**
 * The check of a question that another process asked, from the JSON Schema that it was stored with. null: anything will do.
 */
export function storedCheck (schema: unknown): AnswerCheck | null {
  if (schema === undefined) return null
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema as object)
  return {
    Check: (answer) => validate(answer),
    faults: () => validate.errors!.map(({ instancePath, message }) => ({ path: instancePath, message: message! }))
  }
}

/** @throws WSM_ERR_INVALID_MESSAGE with paths as in a `confirm` frame */
export function assertAnswers (check: TypeCheck<TSchema> | AnswerCheck | null, answer: unknown): void {
  if (check === null || check.Check(answer)) return
  throw invalidMessage(('faults' in check ? check.faults() : faultsOf(check, answer)).map(below('/answer')))
}

/** What no answer means. */
export function meansProceed ({ question }: ConfirmationRecord): boolean {
  return question.on_timeout === 'proceed'
}

export function toConfirmation<A> (record: ConfirmationRecord): UserConfirmation<A> {
  const { callback_id, proceed, status, feedback, answer, answered_by } = record
  return {
    proceed: proceed === true,
    outcome: status as Outcome,
    callback_id,
    ...(feedback !== undefined && { feedback }),
    ...(answer !== undefined && { answer: answer as A }),
    ...(answered_by !== null && { answered_by })
  }
}
