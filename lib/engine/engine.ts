import type { AnsweredBy, ConfirmationRecord, Outcome } from '../../schemas/records.js'
import type { EncodedMessage } from '../protocol/encode.js'

/** A message for every member of a topic, on every node. */
export interface Publication {
  topic: string
  message: EncodedMessage
  /** Connections that do not get it. */
  except?: readonly string[]
}

/**
 * The only thing that knows whether there is one node or many.
 *
 * Order: two publications on one topic by one caller reach the listener in the order in which `publish` was called.
 * After `close` nothing more is delivered, and every call settles.
 */
export interface Engine {
  readonly confirmations: ConfirmationStore
  /** Resolves when the publication cannot be lost by this process any more. Goes to subscribed nodes only. */
  publish (publication: Publication): Promise<void>
  /** Resolves when later publications on the topic reach the listener. */
  subscribe (topic: string): Promise<void>
  /** At once: nothing of the topic reaches the listener any more. */
  unsubscribe (topic: string): void
  /** Sets the one receiver of publications; called before anything is subscribed. */
  onPublication (listener: (publication: Publication) => void): void
  /** Idempotent. */
  close (): Promise<void>
}

/** How a question ends. */
export interface Settlement {
  outcome: Outcome
  proceed: boolean
  feedback?: string
  answer?: unknown
  answered_by: AnsweredBy | null
}

export interface ConfirmationFilter {
  user_id?: string
  task_id?: string
  status?: ConfirmationRecord['status']
}

/** Where questions are kept. Records that it hands out are snapshots: they do not change afterwards. */
export interface ConfirmationStore {
  /** Resolves when the record is stored; the question may be sent then. */
  create (record: ConfirmationRecord): Promise<void>
  /** null: never asked, or ended longer than the retention ago. */
  get (callbackId: string): Promise<ConfirmationRecord | null>
  /** What matches, oldest first. */
  list (filter: ConfirmationFilter): Promise<ConfirmationRecord[]>
  /**
   * Atomic: of any number of calls for one question exactly one wins. The others get the record as the winner left
   * it. null as for `get`.
   */
  settle (callbackId: string, settlement: Settlement): Promise<{ won: boolean, record: ConfirmationRecord } | null>
  /** Calls back once for every question that ends, wherever it was settled, before `settle` resolves to the winner. */
  onSettled (listener: (record: ConfirmationRecord) => void): void
  /** How many questions that this node asked have no end yet. */
  pendingCount (): number
}
