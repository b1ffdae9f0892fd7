import type { TaskStatus } from '../../schemas/records.js'
import type { WsError } from '../errors.js'
import type { FaultReason } from './values.js'

/** All texts of the elements. Numbers and durations in them are written in the element's language. */
export interface Texts {
  /** No question waits. */
  noQuestions: string
  /** Said to screen readers. */
  newQuestion: (question: string) => string
  /** Several at once. @param count as a number of the language */
  newQuestions: (count: string) => string
  /** The user's answer has arrived. */
  answered: (question: string) => string
  /** Somebody else has answered, or the time is up. */
  ended: (question: string) => string
  /** An earlier answer may be lost. */
  uncertain: string
  /** Says what happens at the deadline. @param remaining such as `5 minutes` @param deadline such as `14:30` */
  timeLeft: (remaining: string, deadline: string, onTimeout: 'proceed' | 'cancel') => string
  timeUp: string
  /** Heading of the facts that a question shows. */
  facts: string
  /** Heading of the output of the step that is asked about. */
  result: string
  /** Button that proceeds where no answer is asked for. */
  proceed: string
  /** Label of an answer that is one field without a title. */
  answerLabel: string
  /** Button that sends the answer. */
  answer: string
  /** Button that does not proceed. */
  decline: string
  comment: string
  /** Stands behind the label of a field that may be left empty. */
  optional: string
  /** Nothing is chosen yet. */
  choose: string
  yes: string
  no: string
  /** Names the time zone that a date and time is entered in. */
  timeZone: (name: string) => string
  /** Explains a field for JSON. */
  json: string
  sending: string
  /** Faults beside a field. @param limit such as the most characters */
  faults: { [R in FaultReason]: (limit: string) => string }
  /** A fault that the server has found, in its words. */
  serverFault: (message: string) => string
  /** Fields have faults, so the answer was not sent. */
  faultCount: (count: number, formatted: string) => string
  /** A request has failed. */
  failed: (error: WsError) => string
  /** The task is not known, or not yet. */
  noTask: string
  taskStatus: { [S in TaskStatus]: string }
  progress: string
  log: string
  cancel: string
  cancelling: string
  loading: string
  /** The fragment could not be loaded. */
  notLoaded: (error: WsError) => string
  retry: string
}

/** Texts that take the place of others. */
export type TextChanges = { [K in keyof Texts]?: Texts[K] extends string | ((...args: never[]) => unknown) ? Texts[K] : Partial<Texts[K]> }

const unknownFate = 'It is not known whether the server got it. You can try again: nothing is done twice.'
const causes: Readonly<Record<string, string>> = {
  already_settled: 'It has ended in the meantime.',
  not_found: 'The server does not know it (any more).',
  forbidden: 'You are not allowed to do this.',
  rate_limited: 'That was too fast. Try again in a moment.',
  disconnected: 'There is no connection. Try again when it is back.',
  timeout: 'The server did not answer in time. Try again.',
  signed_out: 'You are signed out.',
  closed: 'The connection is closed.',
  unavailable: 'The server is not available at the moment. Try again later.'
}

function causeOf ({ code, delivery, message }: WsError): string {
  return delivery === 'unknown' ? unknownFate : causes[code] ?? message
}

/** The texts in English. */
export const english: Texts = {
  noQuestions: 'No questions are waiting for you.',
  newQuestion: (question) => `New question: ${question}`,
  newQuestions: (count) => `${count} new questions`,
  answered: (question) => `Your answer was sent: ${question}`,
  ended: (question) => `This question has ended: ${question}`,
  uncertain: 'If you have answered this before, your answer may have been lost.',
  timeLeft: (remaining, deadline, onTimeout) => `${onTimeout === 'cancel' ? 'Stops' : 'Continues'} by itself in ${remaining}, at ${deadline}.`,
  timeUp: 'Time is up.',
  facts: 'Details',
  result: 'Result',
  proceed: 'Continue',
  answerLabel: 'Answer',
  answer: 'Send answer',
  decline: 'Decline',
  comment: 'Comment',
  optional: 'optional',
  choose: 'Please choose',
  yes: 'Yes',
  no: 'No',
  timeZone: (name) => `Time zone: ${name}`,
  json: 'This value is entered as JSON.',
  sending: 'Sending …',
  faults: {
    required: () => 'Please fill in this field.',
    notChosen: () => 'Please choose.',
    mustAgree: () => 'Please tick this box to go on.',
    tooShort: (limit) => `Please enter at least ${limit} characters.`,
    tooLong: (limit) => `Please enter at most ${limit} characters.`,
    pattern: () => 'This is not in the expected form.',
    notADate: () => 'Please enter a date.',
    notANumber: () => 'Please enter a number.',
    notAnInteger: () => 'Please enter a whole number.',
    tooSmall: (limit) => `Please enter ${limit} or more.`,
    tooLarge: (limit) => `Please enter ${limit} or less.`,
    notAbove: (limit) => `Please enter more than ${limit}.`,
    notBelow: (limit) => `Please enter less than ${limit}.`,
    notAMultiple: (limit) => `Please enter a multiple of ${limit}.`,
    tooFew: (limit) => `Please choose at least ${limit}.`,
    tooMany: (limit) => `Please choose at most ${limit}.`,
    notJson: () => 'This is not valid JSON.'
  },
  serverFault: (message) => message,
  faultCount: (count, formatted) => count === 1 ? 'One field needs your attention.' : `${formatted} fields need your attention.`,
  failed: (error) => `That did not work. ${causeOf(error)}`,
  noTask: 'No such task is known.',
  taskStatus: { running: 'Running', done: 'Done', failed: 'Failed', cancelled: 'Cancelled' },
  progress: 'Progress',
  log: 'Log',
  cancel: 'Cancel',
  cancelling: 'Cancelling …',
  loading: 'Loading …',
  notLoaded: (error) => `This part could not be loaded. ${causeOf(error)}`,
  retry: 'Try again'
}

/** Texts with changes; the later ones win. */
export function changeTexts (texts: Texts, ...changes: readonly TextChanges[]): Texts {
  const changed: Record<string, unknown> = { ...texts }
  for (const change of changes) {
    for (const [name, text] of Object.entries(change)) {
      if (text !== undefined) changed[name] = typeof text === 'object' ? { ...changed[name] as object, ...text } : text
    }
  }
  return changed as unknown as Texts
}
