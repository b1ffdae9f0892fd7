import type { RecoverFrom } from '../../schemas/fields.js'
import type { Connection } from '../socket/connection.js'
import type { HistoryPage, Position } from '../engine/engine.js'
import type { CatchUp } from './catch-up.js'
import type { StreamRule } from './stream-rules.js'

/** A topic that a connection wants to be a member of. */
export interface JoinRequest {
  topic: string
  /** The client's position; `start`: it asks for all that is kept; null: for nothing. */
  since: RecoverFrom | null
  /** When the oldest message that it may read was published, milliseconds since 1970; by default any. */
  notBefore?: number
}

/** A connection on its way into a topic. */
export interface Join { topic: Topic, request: JoinRequest, connection: Connection, page: HistoryPage | null, hasLeft: boolean }

/** Where a connection is in a topic's stream. */
export interface StreamState {
  topic: string
  /** null: the topic is not kept. */
  position: Position | null
  /** True if everything behind `position` follows. */
  recovered: boolean
  /** How many messages of the history follow. */
  missed: number
}

/**
 * A join that takes effect when it is committed. What the caller sends between `commit` and `catchUp`, which it calls in the same turn,
 * comes before every message of the topics.
 */
export interface PreparedJoin {
  /**
   * Makes the connection a member, and tells where it is in each stream. Does nothing for a connection that has ended meanwhile, and passes
   * over a topic that it has left.
   */
  commit: () => StreamState[]
  /** Sends the history that was asked for. Resolves when all of it has been sent. */
  catchUp: () => Promise<void>
  /** Ends a join that is not committed. Harmless after `commit`. */
  abandon: () => void
}

/** A topic on this node: who is in it, who is coming, and where its stream is. */
export class Topic {
  readonly name: string
  readonly rule: StreamRule
  /** Those that get what is delivered. */
  readonly members = new Set<Connection>()
  /** Those that are on their way in. */
  readonly joins = new Set<Join>()
  /** Members that still get what was before; null: nobody. */
  catchUps: Map<Connection, CatchUp> | null = null
  /** Members that have read further than what was delivered here; null: nobody. */
  ahead: Map<Connection, Position> | null = null
  /** Settles when deliveries reach this node. */
  ready!: Promise<void>
  /** Of the last delivery on this node; null before the topic is ready. */
  position: Position | null = null

  constructor (name: string, rule: StreamRule) {
    this.name = name
    this.rule = rule
  }

  /** Whether messages of it are kept; it has positions for its members only then. */
  get isKept (): boolean {
    return this.rule.retention !== null
  }

  get size (): number {
    return this.members.size + (this.catchUps?.size ?? 0)
  }

  /** null: it is no member. */
  positionOf (connection: Connection): Position | null {
    if (this.members.has(connection)) return this.ahead?.get(connection) ?? this.position
    return this.catchUps?.get(connection)?.position ?? null
  }

  catchUp (connection: Connection, catchUp: CatchUp): void {
    (this.catchUps ??= new Map()).set(connection, catchUp)
  }

  /** From the next delivery on that it does not have, the connection is a member like the others. */
  goLive (connection: Connection, { position }: CatchUp): void {
    this.remove(connection)
    this.members.add(connection)
    if (position.offset > this.position!.offset) (this.ahead ??= new Map()).set(connection, position)
  }

  /** Whether a connection that was ahead has what is delivered now; when the delivery is at last past it, it is ahead no more. */
  hasAlready (connection: Connection, { epoch, offset }: Position): boolean {
    const ahead = this.ahead?.get(connection)
    if (ahead === undefined) return false
    if (ahead.epoch === epoch && offset <= ahead.offset) return true
    this.ahead!.delete(connection)
    if (this.ahead!.size === 0) this.ahead = null
    return false
  }

  remove (connection: Connection): void {
    this.members.delete(connection)
    this.ahead?.delete(connection)
    const catchUp = this.catchUps?.get(connection)
    if (catchUp === undefined) return
    catchUp.stop()
    this.catchUps!.delete(connection)
    if (this.catchUps!.size === 0) this.catchUps = null
  }
}
