import type { FastifyBaseLogger } from 'fastify'
import { ConfirmationOutcome, type AnsweredBy, type AvailabilityReason, type ConfirmationRecord } from '../../schemas/records.js'
import type { User } from '../user.js'

/** A place in a stream. Offsets are 1, 2, 3… within an epoch; another epoch says that continuity was lost. */
export interface Position { epoch: string, offset: number }

/** How much of a stream is kept. */
export interface Retention {
  /** Messages. */
  size: number
  ttlMs: number
}

/** A message for every member of a topic, on every node. */
export interface Publication {
  topic: string
  /** The message as JSON, an object with at least one field. */
  json: string
  /** Whether a slow consumer may miss it, where the app chose to drop. */
  isDroppable: boolean
  /** Whether it may be compressed. */
  isCompressible: boolean
  /** Connections that do not get it. */
  except?: readonly string[] | undefined
  /** The client that sent it, whose share of the histories is charged; undefined: the app. */
  sender?: string | undefined
}

/** A publication on its way to the members. */
export interface Delivery extends Publication {
  /** null: it is not kept, and cannot be had again. */
  position: Position | null
}

/** What a stream still has. */
export interface HistoryPage {
  /** In order, without a gap; each with its position. */
  entries: readonly Delivery[]
  /** Whether nothing is missing between what was asked for and the first entry, or the end of the stream. */
  isComplete: boolean
  /** Where the page begins: everything behind it is read from here on. */
  from: Position
  /** The stream's last position as of the reading. */
  top: Position
}

/** Further bounds of a page. */
export interface PageBounds {
  /** Size of the messages together, bytes; one message is read whatever its size. Default: no bound. */
  maxBytes?: number
  /**
   * Leaves out what was published earlier, milliseconds since 1970, and asks for it no longer: the page is complete when
   * nothing later is missing. Default: nothing is left out.
   */
  notBefore?: number
}

/**
 * What the histories may hold. In a store that nodes share, each node counts what it has published itself.
 *
 * Over a bound the messages and streams of clients' frames go before those of the app, and those of whoever has most go
 * first. A sender never holds more than its share of bytes: its own oldest messages go, where no others are before them,
 * and where that makes no room its publication is refused.
 */
export interface HistoryBounds {
  /** Bytes of JSON in all histories together. */
  maxBytes: number
  /** Streams that are remembered; those with members do not count. */
  maxTopics: number
  /** Bytes of what one sender has published. */
  maxBytesPerSender: number
  /** Streams that one sender has begun, and nobody else has published to. */
  maxTopicsPerSender: number
}

/**
 * The only thing that knows whether there is one node or many.
 *
 * **Streams.** A topic is a stream with a position. What is published is appended: it gets the next offset and is kept,
 * atomically, so that of two publications everybody sees the same one first. What is passed on goes by the stream: it has
 * no position, and is gone when it is delivered.
 *
 * **Order.** Deliveries of a topic reach the listener by rising offset, each offset once and none left out while the topic
 * is subscribed to. Two publications on one topic by one caller arrive in the order in which `publish` and `pass` were called.
 * Where an engine cannot keep that promise it says so by `onBreak`, and goes on from there.
 *
 * **Epochs.** A new epoch begins when the stream's offsets are no longer remembered, and when the store may have lost writes:
 * it was restarted from an older state, or a replica that lagged was promoted. The old one goes on where the nodes between them
 * know that everything that any of them has seen is still there. Nobody is ever told that nothing is missing because a number
 * happens to fit.
 *
 * **Beginnings.** A topic that nobody has published to costs nothing: all of them are at offset 0 of one epoch, in which
 * each begins with its first publication. A topic whose stream was forgotten begins in another epoch. An offset 0 from an
 * earlier epoch of beginnings may fit as well; where it does, `from` and `top` have the epoch in which the stream goes on.
 *
 * **Close.** After `close` nothing is delivered any more, and every call settles.
 */
export interface Engine {
  readonly confirmations: ConfirmationStore
  readonly presence: PresenceStore
  readonly revocations: RevocationStore
  readonly tickets: TicketStore
  readonly cluster: Cluster
  readonly clock: Clock
  /**
   * Appends, and resolves to the position when the publication cannot be lost by this process any more. Deliveries go to
   * subscribed nodes only; a node without members costs nothing but the append.
   *
   * @throws WSM_ERR_UNAVAILABLE when that is not known in time; it may have been published then, or be published yet
   * @throws WSM_ERR_RATE_LIMITED when its sender's share of the histories has no room for it; it was not published then
   */
  publish (publication: Publication, retention: Retention): Promise<Position>
  /**
   * Delivers to those who are there now, and keeps nothing. On this node that happens in the call, or as soon as everything that
   * the node has published on the topic before is delivered; once, whatever happens to what the nodes share. Never rejects.
   *
   * @returns whether the other nodes get it, as far as this one can know: not of a node whose own connection is lost while all others
   *   are in order; false: that is not known in time, and they get it, perhaps later, or not at all
   */
  pass (publication: Publication): Promise<boolean>
  /**
   * Resolves to the position as of which deliveries reach the listener: everything behind it, nothing up to it. What was
   * published meanwhile may reach it before this resolves.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  subscribe (topic: string): Promise<Position>
  /** At once: nothing of the topic reaches the listener any more. Its stream and its history stay. */
  unsubscribe (topic: string): void
  /**
   * What the stream has behind a position, at most `limit` entries; with null the oldest that it has. Where the history no
   * longer reaches the position, or it is of another epoch or ahead of the stream, there are no entries and
   * `isComplete` is false.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  history (topic: string, since: Position | null, limit: number, bounds?: PageBounds): Promise<HistoryPage>
  /** Sets the one receiver of deliveries; called before anything is subscribed. */
  onDelivery (listener: (delivery: Delivery) => void): void
  /** Sets the one who is told that deliveries of a subscribed topic were lost, and the position that it goes on from. */
  onBreak (listener: (topic: string, position: Position) => void): void
  /** Sets the one who is told how many messages left a history early, or were refused, because their sender's share was used up. */
  onEviction (listener: (messages: number) => void): void
  /** Idempotent. */
  close (): Promise<void>
}

/** What an engine is made with. */
export interface EngineContext extends HistoryBounds {
  /** Time for which the position of a stream is remembered that nobody uses and that has no history any more, milliseconds. */
  positionTtlMs: number
  /** How long an ended question is kept, milliseconds. */
  retainMs: number
  /** How long a ticket can be used at the most, milliseconds. */
  ticketTtlMs: number
  /** How many revocations are kept. */
  maxRevocations: number
  log: FastifyBaseLogger
}

/**
 * Makes the engine of one node. Resolves when it can be used.
 *
 * @throws WSM_ERR_UNAVAILABLE, WSM_ERR_INVALID_OPTION
 */
export type EngineFactory = (context: EngineContext) => Promise<Engine>

/** A socket that is present in a channel. */
export interface PresentClient { client_id: string, user_id: string | null }

/** A user came with their first socket, or left with their last. */
export interface PresenceChange { channel: string, kind: 'joined' | 'left', user_id: string }

/**
 * Who is in which channel, on all nodes. Sockets of a node that has died go with its lease. What a call fails to say
 * (WSM_ERR_UNAVAILABLE) is still what is wanted: the store makes it good as soon as it can.
 */
export interface PresenceStore {
  /** Adding twice is harmless. `topic` is what nodes that want to hear of the channel's changes are subscribed to. */
  add (channel: string, client: PresentClient): Promise<void>
  /** Removing twice is harmless. */
  remove (channel: string, client: PresentClient): Promise<void>
  /** Oldest first, of this node at least. */
  list (channel: string): Promise<PresentClient[]>
  /**
   * Sets the one who is told, on the node whose call made the change and on every node that is subscribed to the topic
   * `channel:<channel>`, in the order in which it happened: once when a user's first socket comes and once when the last one has
   * gone, however many there were. Sockets without a user are not told of.
   */
  onChange (listener: (change: PresenceChange) => void): void
}

/** The time that all nodes agree on, whatever their own clocks say. Every time that one node stores and another reads is by this clock. */
export interface Clock {
  /** Milliseconds since 1970, a whole number. */
  now (): number
  /** How far this node's own clock, `Date.now()`, is ahead of the shared one, milliseconds; negative: behind it. */
  readonly offsetMs: number
}

/**
 * How much of what the nodes share works for this node. `degraded`: a part of it, so that some calls fail with
 * WSM_ERR_UNAVAILABLE; `unavailable`: nothing of it.
 */
export interface Availability { status: 'ready' | 'degraded' | 'unavailable', reasons: readonly AvailabilityReason[] }

/** What nodes ask each other. */
export interface Cluster {
  readonly nodeId: string
  /** Always `ready` for one node. */
  readonly availability: Availability
  /** Sets the one who is told when the status or its reasons change. */
  onAvailability (listener: (availability: Availability) => void): void
  /**
   * Asks every other node. Resolves when all have answered, or after `timeoutMs` to what there is; never rejects.
   *
   * @param kind which of the `onAsk` listeners it is for
   * @param data any JSON
   */
  ask (kind: string, data: unknown, timeoutMs: number): Promise<ClusterAnswers>
  /** Answers what other nodes ask; one listener for each kind. */
  onAsk (kind: string, listener: (data: unknown) => unknown): void
}

/** @property missing nodes that did not answer in time, or failed to; with null where it is not even known which there are */
export interface ClusterAnswers { answers: { node_id: string, data: unknown }[], missing: string[] | null }

/** How a question ends. */
export interface Settlement {
  outcome: ConfirmationOutcome
  proceed: boolean
  feedback?: string
  answer?: unknown
  answered_by: AnsweredBy | null
}

/** @property leftMs only where the question cannot expire yet */
export interface Settled { won: boolean, record: ConfirmationRecord, leftMs?: number }

/** Open, or how it ended. */
export const questionStatuses: readonly ConfirmationRecord['status'][] = ['pending', ...ConfirmationOutcome.anyOf.map((outcome) => outcome.const)]

export interface ConfirmationFilter {
  /** Only questions to this user; by default to all. */
  user_id?: string | undefined
  /** Only questions about this task; by default about all. */
  task_id?: string | undefined
  /** Only questions in this state; by default in any. */
  status?: ConfirmationRecord['status'] | undefined
}

/** A question's place in every list: by when it was asked, then by its id. It has one also when it is gone. */
export type QuestionPlace = Pick<ConfirmationRecord, 'created_at' | 'callback_id'>

/** A part of a list. */
export interface QuestionPage {
  /** Oldest first. They can be fewer than the limit also where more follow. */
  records: ConfirmationRecord[]
  /** The place behind which the list goes on; null: this is the end. */
  next: QuestionPlace | null
}

/** An action that an open question needs, `at` a time of the shared clock. */
export interface DueTime { kind: string, at: number }

/** The actions that are due, and milliseconds until the next one; null: there is none. */
export interface DueTimes { due: { kind: string, record: ConfirmationRecord }[], nextInMs: number | null }

/**
 * Where questions are kept. Records that it hands out are snapshots: they do not change afterwards.
 *
 * **Due times.** A question is stored with its due times, atomically, and loses them when it ends. All nodes share one list of
 * them; whichever node is first takes what is due, under a lease.
 *
 * **Rollback.** A store can lose its latest writes. An open question from before that is in doubt: its end may be among what was
 * lost. It is neither settled nor handed out until the other nodes were asked. Where one of them knows the end, the end is stored
 * again; where all that can have heard of one say that there was none, the question stays open. Otherwise it stays open as
 * `uncertain`, and is due to be announced again: an answer is accepted although an earlier one may have been told to somebody.
 * A question that was lost as a whole is stored again by the node that asked it.
 */
export interface ConfirmationStore {
  /** Whether questions are still there when the node that asked is not. */
  readonly outlivesNode: boolean
  /**
   * Resolves when the record is stored; the question may be sent then.
   *
   * @param due at most one of each kind
   */
  create (record: ConfirmationRecord, due?: readonly DueTime[]): Promise<void>
  /** null: never asked, or ended longer than the retention ago. */
  get (callbackId: string): Promise<ConfirmationRecord | null>
  /**
   * What matches, oldest first, at most `limit` behind a place. It costs what the page costs, however many questions there
   * are of others, ended ones among them.
   */
  list (filter: ConfirmationFilter, after: QuestionPlace | null, limit: number): Promise<QuestionPage>
  /**
   * Atomic: of any number of calls for one question exactly one wins. The others get the record as the winner left
   * it. null as for `get`.
   *
   * No question expires before its time by the clock that the nodes share: such a call changes nothing, and gets the open
   * record and the milliseconds that are left.
   */
  settle (callbackId: string, settlement: Settlement): Promise<Settled | null>
  /**
   * The same for the answer of a user, where the question need not be looked at first. Changes nothing where it is somebody else's,
   * is overdue, or has an `answer_schema` and the answer is to go on: the caller then gets the open record.
   */
  settleAs (userId: string, callbackId: string, settlement: Settlement): Promise<Settled | null>
  /** Takes what is due, earliest first. Nobody else gets it for `leaseMs`; then it is due again, unless it is done. */
  takeDue (limit: number, leaseMs: number): Promise<DueTimes>
  /** Removes a due time of each of these questions. Removing twice is harmless. */
  done (callbackIds: readonly string[], kind: string): Promise<void>
  /** Calls back once for every question that ends, wherever it was settled, before `settle` resolves to the winner. */
  onSettled (listener: (record: ConfirmationRecord) => void): void
  /** How many questions that this node asked have no end yet. */
  pendingCount (): number
}

/**
 * What makes tokens worth nothing: one by its `jti`, or all of a user's that were issued before a moment. It is kept until
 * `expiresAt`; what it is about must have expired by then. Times are milliseconds since 1970.
 */
export type Revocation =
  | { jti: string, expiresAt: number }
  | { userId: string, issuedBefore: number, expiresAt: number }

/** What a revocation can be about. A token that does not say when it was issued counts as issued before any moment. */
export type Revocable = Pick<User, 'id' | 'jti' | 'issuedAt'>

/**
 * Which tokens are worth nothing any more. It is asked for every socket and request, so each node knows all of it, and no
 * question costs a round trip; what a node has not heard of, it knows that it has not heard of it.
 *
 * **Order.** A revocation is stored first, and the nodes are told of it afterwards, by whoever stored it: a node that can be
 * told has it in its answers then, and one that cannot says that it does not know, until it has read all that was stored.
 */
export interface RevocationStore {
  /**
   * Resolves when it cannot be lost by this process any more, and `isRevoked` says so on this node. Adding twice is
   * harmless; of two for one user, or one token, the later moments count. False: there is no room.
   *
   * @throws WSM_ERR_UNAVAILABLE when that is not known in time; it may have been stored then, or be stored yet
   */
  add (revocation: Revocation): Promise<boolean>
  /** At once: another node has stored it. */
  learn (revocation: Revocation): void
  /** null: this node may have missed something, and a token that it does not know to be revoked may be so. */
  isRevoked (user: Revocable): boolean | null
  /**
   * Resolves when this node knows of everything that was stored before the call.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  current (): Promise<void>
  /** Sets the one who is told when this node has read of revocations that nobody told it. */
  onLearned (listener: () => void): void
}

/** Where tickets wait to be used. Its keys are hashes, so that what it holds opens nothing. Every value survives JSON. */
export interface TicketStore {
  /**
   * Keeps a user under a new key. Resolves when `take` can find it, on every node, or to why there is no room.
   *
   * @throws WSM_ERR_UNAVAILABLE
   */
  put (key: string, user: User, expiresAt: number): Promise<'kept' | 'user_full' | 'full'>
  /**
   * Takes a user out: of any number of callers, on any node, exactly one gets it. null: it is not there, or expired, or the
   * store may have lost that it was taken.
   *
   * @throws WSM_ERR_UNAVAILABLE; the ticket may be used up then
   */
  take (key: string): Promise<User | null>
}

/** How many unused tickets are kept. */
export interface TicketBounds { perUser: number, inAll: number }
