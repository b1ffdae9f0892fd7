import type { FastifyBaseLogger } from 'fastify'
import type { StreamPosition } from '../../schemas/fields.js'
import { ConfirmationOutcome, type AnsweredBy, type AvailabilityReason, type ConfirmationRecord } from '../../schemas/records.js'
import type { User } from '../user.js'

export type { StreamPosition }

/** Bounds of a stream's history. */
export interface Retention {
  /** Maximum number of messages. */
  size: number
  ttlMs: number
}

/** A message for all members of a topic, on every node. */
export interface Publication {
  topic: string
  /** The message as JSON, an object with at least one field. */
  json: string
  /** True if it may be dropped for a slow consumer, if the app chose to drop. */
  isDroppable: boolean
  /** True if it may be compressed. */
  isCompressible: boolean
  /** Client ids that are excluded. */
  except?: readonly string[] | undefined
  /** Client that sent it, whose share of the histories is charged; undefined: the app. */
  sender?: string | undefined
}

/** A publication on its way to the members. */
export interface Delivery extends Publication {
  /** null: not kept in the history, and not recoverable. */
  position: StreamPosition | null
}

/** A page of a stream's history. */
export interface HistoryPage {
  /** In order and without gaps, each with its position. */
  entries: readonly Delivery[]
  /** True if nothing is missing between the requested position and the first entry, or the end of the stream. */
  isComplete: boolean
  /** Position where the page begins; to read everything behind it, continue from here. */
  from: StreamPosition
  /** Last position of the stream at the time of reading. */
  top: StreamPosition
}

/** Further limits of a page. */
export interface PageBounds {
  /** Total size of the messages, bytes; one message is read whatever its size. Default: unlimited. */
  maxBytes?: number
  /**
   * Leaves out messages published earlier than this time, milliseconds since 1970; the page then counts as complete if nothing
   * later is missing. Default: nothing is left out.
   */
  notBefore?: number
}

/**
 * Limits of the histories. In a shared store, each node counts only its own publications.
 *
 * Eviction removes messages and streams of clients before those of the app, starting with the largest holders. A sender never
 * exceeds its share of bytes: its own oldest messages are evicted if no others precede them, and if that makes no room its
 * publication is refused.
 */
export interface HistoryBounds {
  /** Bytes of JSON in all histories together. */
  maxBytes: number
  /** Maximum number of remembered streams; streams with members do not count. */
  maxTopics: number
  /** Bytes published by one sender. */
  maxBytesPerSender: number
  /** Maximum number of streams that only one sender has published to. */
  maxTopicsPerSender: number
}

/**
 * Abstraction over one node or many: no other part knows which it is.
 *
 * **Streams.** A topic is a stream with positions. `publish` appends a message: it gets the next offset and is kept, atomically,
 * so everybody sees two publications in the same order. `pass` bypasses the stream: the message has no position and is gone once
 * delivered.
 *
 * **Order.** The listener receives a topic's deliveries by ascending offset, each once and without gaps while subscribed. Two
 * publications on one topic by one caller arrive in the order of the `publish` and `pass` calls. Where an engine cannot keep this
 * guarantee, it reports that through `onBreak` and continues from there.
 *
 * **Epochs.** A new epoch begins when the stream's offsets have been forgotten, or the store may have lost writes: it restarted
 * from an older state, or a lagging replica was promoted. The old epoch continues if the nodes together can confirm that
 * everything any of them has seen is still there. A coincidentally matching offset never leads to a claim that nothing is
 * missing.
 *
 * **Beginnings.** A topic without publications costs nothing: all of them share offset 0 of one epoch, in which each stream
 * begins with its first publication. A forgotten stream begins in another epoch. An offset 0 from an earlier shared epoch may
 * still be valid; `from` and `top` then have the stream's current epoch.
 *
 * **Close.** After `close` nothing is delivered, and every call settles.
 */
export interface Engine {
  readonly confirmations: ConfirmationStore
  readonly presence: PresenceStore
  readonly revocations: RevocationStore
  readonly tickets: TicketStore
  readonly calls: CallStore
  readonly cluster: Cluster
  readonly clock: Clock
  /**
   * Appends, and resolves to the position once this process can no longer lose the publication. Only subscribed nodes receive
   * deliveries; a node without members costs nothing but the append.
   *
   * @throws WSM_ERR_UNAVAILABLE if the result is not known in time; it may have been published, or may still be
   * @throws WSM_ERR_RATE_LIMITED if the sender's share of the histories has no room; it was not published
   */
  publish (publication: Publication, retention: Retention): Promise<StreamPosition>
  /**
   * Delivers to current members and keeps nothing. Local delivery happens within the call, or once all earlier publications of
   * this node on the topic are delivered; exactly once, even if the shared store fails. Never rejects.
   *
   * @returns true if the other nodes receive it, as far as this node can know: a node that alone lost its connection is not
   *   noticed; false: not known in time; they may receive it late or not at all
   */
  pass (publication: Publication): Promise<boolean>
  /**
   * Resolves to the position from which deliveries reach the listener: everything behind it, nothing up to it. Messages published
   * meanwhile may arrive before this resolves.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  subscribe (topic: string): Promise<StreamPosition>
  /** Takes effect immediately: the listener receives nothing more of the topic. Stream and history are kept. */
  unsubscribe (topic: string): void
  /**
   * Reads at most `limit` entries behind a position; null: from the oldest one kept. If the history no longer reaches the
   * position, or the position has another epoch or is ahead of the stream, there are no entries and `isComplete` is false.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  history (topic: string, since: StreamPosition | null, limit: number, bounds?: PageBounds): Promise<HistoryPage>
  /** Sets the single receiver of deliveries; call it before any subscribe. */
  onDelivery (listener: (delivery: Delivery) => void): void
  /** Sets the single listener for lost deliveries of a subscribed topic; it gets the position from which deliveries continue. */
  onBreak (listener: (topic: string, position: StreamPosition) => void): void
  /** Sets the single listener for messages that were evicted early, or refused, because their sender's share was used up. */
  onEviction (listener: (messages: number) => void): void
  /** Idempotent. */
  close (): Promise<void>
}

/** Context in which an engine is created. */
export interface EngineContext extends HistoryBounds {
  /** Time for which the position of an unused stream without history is remembered, milliseconds. */
  positionTtlMs: number
  /** Retention of ended questions, milliseconds. */
  retainMs: number
  /** Maximum lifetime of a ticket, milliseconds. */
  ticketTtlMs: number
  /** Maximum number of revocations kept. */
  maxRevocations: number
  log: FastifyBaseLogger
}

/**
 * Creates the engine of one node. Resolves when it is usable.
 *
 * @throws WSM_ERR_UNAVAILABLE, WSM_ERR_INVALID_OPTION
 */
export type EngineFactory = (context: EngineContext) => Promise<Engine>

/** A socket that is present in a channel. */
export interface PresentClient { client_id: string, user_id: string | null }

/** A user's first socket joined, or last socket left. */
export interface PresenceChange { channel: string, kind: 'joined' | 'left', user_id: string }

/**
 * Presence in channels, on all nodes. A dead node's sockets are removed when its lease expires. A call that fails with
 * WSM_ERR_UNAVAILABLE remains the desired state: the store reconciles it as soon as it can.
 */
export interface PresenceStore {
  /** Adding twice is harmless. Nodes that listen to the channel's changes are subscribed to its topic. */
  add (channel: string, client: PresentClient): Promise<void>
  /** Removing twice is harmless. */
  remove (channel: string, client: PresentClient): Promise<void>
  /** Oldest first; includes at least this node's sockets. */
  list (channel: string): Promise<PresentClient[]>
  /**
   * Sets the single listener for changes. It is called in order, on the node that made the change and on every node subscribed to
   * the topic `channel:<channel>`: once when a user's first socket joins and once when the last one leaves. Sockets without a
   * user are not reported.
   */
  onChange (listener: (change: PresenceChange) => void): void
}

/** The time shared by all nodes, whatever their own clocks say. Every time that one node stores and another reads comes from this clock. */
export interface Clock {
  /** Milliseconds since 1970, a whole number. */
  now (): number
  /** Lead of this node's own clock, `Date.now()`, over the shared one, milliseconds; negative: it is behind. */
  readonly offsetMs: number
}

/** Availability of the shared store for this node. `degraded`: parts fail, so some calls throw WSM_ERR_UNAVAILABLE; `unavailable`: nothing works. */
export interface Availability { status: 'ready' | 'degraded' | 'unavailable', reasons: readonly AvailabilityReason[] }

/** Requests between nodes. */
export interface Cluster {
  readonly nodeId: string
  /** Always `ready` for a single node. */
  readonly availability: Availability
  /** Sets the single listener for changes of the status or its reasons. */
  onAvailability (listener: (availability: Availability) => void): void
  /**
   * Asks every other node. Resolves when all have answered, or after `timeoutMs` with the answers so far; never rejects.
   *
   * @param kind selects the `onAsk` listener
   * @param data any JSON
   */
  ask (kind: string, data: unknown, timeoutMs: number): Promise<ClusterAnswers>
  /** Serves requests of other nodes; one listener per kind. */
  onAsk (kind: string, listener: (data: unknown) => unknown): void
}

/** @property missing nodes that failed or did not answer in time; null if the set of nodes is unknown */
export interface ClusterAnswers { answers: { node_id: string, data: unknown }[], missing: string[] | null }

/** End of a question. */
export interface Settlement {
  outcome: ConfirmationOutcome
  proceed: boolean
  feedback?: string
  answer?: unknown
  answered_by: AnsweredBy | null
}

/** @property leftMs only while the question cannot expire yet */
export interface Settled { won: boolean, record: ConfirmationRecord, leftMs?: number }

/** Pending, or an outcome. */
export const questionStatuses: readonly ConfirmationRecord['status'][] = ['pending', ...ConfirmationOutcome.anyOf.map((outcome) => outcome.const)]

export interface ConfirmationFilter {
  /** Only questions to this user; by default to all. */
  user_id?: string | undefined
  /** Only questions about this task; by default about all. */
  task_id?: string | undefined
  /** Only questions in this state; by default in any. */
  status?: ConfirmationRecord['status'] | undefined
}

/** Sort key of a question in every list: creation time, then id. Stays valid after the question is gone. */
export type QuestionPlace = Pick<ConfirmationRecord, 'created_at' | 'callback_id'>

/** A page of questions. */
export interface QuestionPage {
  /** Oldest first. May have fewer than the limit even if more follow. */
  records: ConfirmationRecord[]
  /** Sort key from which the list continues; null: this is the end. */
  next: QuestionPlace | null
}

/** An action that an open question needs, `at` a time of the shared clock. */
export interface DueTime { kind: string, at: number }

/** Due actions, and milliseconds until the next one; null: there is none. */
export interface DueTimes { due: { kind: string, record: ConfirmationRecord }[], nextInMs: number | null }

/**
 * Store of questions. Returned records are snapshots and never change.
 *
 * **Due times.** A question is stored together with its due times, atomically, and loses them when it ends. All nodes share one
 * list; the first node to take a due action holds a lease on it.
 *
 * **Rollback.** A store can lose its latest writes. Open questions from before a rollback are in doubt, since their end may be
 * lost. They are neither settled nor returned until the other nodes have been asked. If one knows the end, the end is stored
 * again; if all nodes that could know of an end report none, the question stays open. Otherwise it stays open as `uncertain` and
 * is announced again: an answer is then accepted even though an earlier one may have been reported. A question that was lost
 * entirely is stored again by the node that asked it.
 */
export interface ConfirmationStore {
  /** True if questions survive the node that asked them. */
  readonly outlivesNode: boolean
  /**
   * Resolves when the record is stored; the question may then be sent.
   *
   * @param due at most one of each kind
   */
  create (record: ConfirmationRecord, due?: readonly DueTime[]): Promise<void>
  /** null: never asked, or ended longer ago than the retention. */
  get (callbackId: string): Promise<ConfirmationRecord | null>
  /** Lists matches behind a sort key, oldest first, at most `limit`. Costs only the page, however many other questions exist, ended ones included. */
  list (filter: ConfirmationFilter, after: QuestionPlace | null, limit: number): Promise<QuestionPage>
  /**
   * Atomic: of any number of calls for one question exactly one wins. The others get the record as the winner left it. null as
   * for `get`.
   *
   * No question expires before its time on the shared clock: such a call changes nothing, and returns the open record and the
   * remaining milliseconds.
   */
  settle (callbackId: string, settlement: Settlement): Promise<Settled | null>
  /**
   * Settles with a user's answer, if the question need not be read first. Changes nothing and returns the open record if the
   * question belongs to another user, is overdue, or has an `answer_schema` and the answer is to go on.
   */
  settleAs (userId: string, callbackId: string, settlement: Settlement): Promise<Settled | null>
  /** Takes due actions, earliest first, under a lease of `leaseMs`; an action that is not done by then is due again. */
  takeDue (limit: number, leaseMs: number): Promise<DueTimes>
  /** Removes one kind of due time from these questions. Removing twice is harmless. */
  done (callbackIds: readonly string[], kind: string): Promise<void>
  /** Calls back once for every question that ends, wherever it was settled, before the winner's `settle` resolves. */
  onSettled (listener: (record: ConfirmationRecord) => void): void
  /** Number of questions asked by this node that have not ended. */
  pendingCount (): number
}

/**
 * Revokes one token by its `jti`, or all tokens of a user issued before a given time. Kept until `expiresAt`, by when the
 * affected tokens must have expired. Times are milliseconds since 1970.
 */
export type Revocation =
  | { jti: string, expiresAt: number }
  | { userId: string, issuedBefore: number, expiresAt: number }

/** Token properties that a revocation matches. A token without an issue time counts as issued before any time. */
export type Revocable = Pick<User, 'id' | 'jti' | 'issuedAt'>

/**
 * Revoked tokens. Checked for every socket and request, so each node keeps the full list and a check costs no round trip. A node
 * knows whether its list may be incomplete.
 *
 * **Order.** A revocation is stored first; the storing node then notifies the others. A node that can be notified has it in its
 * answers from then on; one that cannot reports that it does not know, until it has re-read the store.
 */
export interface RevocationStore {
  /**
   * Resolves once this process can no longer lose it and `isRevoked` reflects it on this node. Adding twice is harmless; of two
   * for one user or token, the later times apply. False: there is no room.
   *
   * @throws WSM_ERR_UNAVAILABLE if the result is not known in time; it may have been stored, or may still be
   */
  add (revocation: Revocation): Promise<boolean>
  /** Takes effect immediately: another node has stored it. */
  learn (revocation: Revocation): void
  /** null: unknown, since this node may have missed a revocation. */
  isRevoked (user: Revocable): boolean | null
  /**
   * Resolves when this node knows every revocation stored before the call.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  current (): Promise<void>
  /** Sets the single listener for revocations that this node read from the store without having been notified. */
  onLearned (listener: () => void): void
}

/** Store of unused tickets. Keys are hashes, so the stored data opens no socket. Every value survives JSON. */
export interface TicketStore {
  /**
   * Stores a user under a new key. Resolves to 'kept' once every node can `take` it, or to the reason why there is no room.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  put (key: string, user: User, expiresAt: number): Promise<'kept' | 'user_full' | 'full'>
  /**
   * Removes and returns a user: of any number of callers on any node, exactly one gets it. null: missing or expired, or the store
   * may have lost the record of its use.
   *
   * @throws WSM_ERR_UNAVAILABLE; the ticket may be used up
   */
  take (key: string): Promise<User | null>
}

/**
 * State of a call when it comes: `new`, so the caller must run it; `running`; `lost`, if its node ended or lost touch with the store before the
 * outcome was stored; `ended`, with its outcome; `other`, if the key belongs to a different call.
 */
export type KnownCall = { state: 'new' | 'running' | 'lost' | 'other' } | { state: 'ended', outcome: string }

/** Outcomes of calls with an idempotency key, so that a repetition is answered instead of run. */
export interface CallStore {
  /**
   * Begins a call, or returns the state of the earlier one. Of any number of callers on any node exactly one gets `new`, and must `finish` the
   * call. Until then it is `running`, however long it takes. Not a promise where nothing is awaited.
   *
   * @param print fingerprint of the call; the same for its repetitions
   * @param runner unique id of this attempt
   * @throws WSM_ERR_UNAVAILABLE; the call may not be run then, and is forgotten as soon as possible
   */
  begin (key: string, print: string, runner: string): KnownCall | Promise<KnownCall>
  /**
   * Stores the outcome for ten minutes; null forgets the call, which was not run. Resolves when it is stored, or cannot be yet: then the store
   * tries again until it closes. Never rejects.
   */
  finish (key: string, runner: string, outcome: string | null): Promise<void>
}

/** Retention of an outcome since the call ended, milliseconds. */
export const CALL_RETENTION_MS = 600_000

/** Maximum number of unused tickets. */
export interface TicketBounds { perUser: number, inAll: number }
