import type { RecoverFrom } from '../../schemas/fields.js'
import type { Connection } from '../socket/connection.js'
import type { HistoryPage, StreamPosition } from '../engine/engine.js'
import type { CatchUp } from './catch-up.js'
import type { StreamRule } from './stream-rules.js'

/** A topic that a connection wants to be a member of. */
export interface JoinRequest {
  topic: string
  /** The client's position; `start`: the whole history is requested; null: none of it. */
  since: RecoverFrom | null
  /** Only messages published from this moment on may be read, milliseconds since 1970; by default all. */
  notBefore?: number
}

/** A join in progress. */
export interface Join { topic: Topic, request: JoinRequest, connection: Connection, page: HistoryPage | null, hasLeft: boolean }

/** The state of a connection in a topic's stream. */
export interface StreamState {
  topic: string
  /** null: the topic has no history. */
  position: StreamPosition | null
  /** True if all messages after `position` follow. */
  recovered: boolean
  /** Number of messages from the history that follow. */
  missed: number
}

/**
 * A join that takes effect when it is committed. The caller calls `commit` and `catchUp` in the same turn; frames that it sends between
 * them precede every message of the topics.
 */
export interface PreparedJoin {
  /**
   * Makes the connection a member, and returns its state in each stream. Does nothing for a connection that has ended meanwhile, and skips
   * topics that it has left.
   */
  commit: () => StreamState[]
  /** Sends the requested history. Resolves when all of it has been sent. */
  catchUp: () => Promise<void>
  /** Ends a join without committing it. Harmless after `commit`. */
  abandon: () => void
}

/** A topic on this node: its members, its joins in progress, and the position of its stream. */
export class Topic {
  readonly name: string
  readonly rule: StreamRule
  /** Members that get deliveries live. */
  readonly members = new Set<Connection>()
  /** Joins in progress. */
  readonly joins = new Set<Join>()
  /** Members that are still catching up; null: none. */
  catchUps: Map<Connection, CatchUp> | null = null
  /** Members that have read the history further than this node's last delivery; null: none. */
  ahead: Map<Connection, StreamPosition> | null = null
  /** Resolves when the engine is subscribed, so that deliveries reach this node. */
  ready!: Promise<void>
  /** Position of the last delivery on this node; null before the topic is ready. */
  position: StreamPosition | null = null

  constructor (name: string, rule: StreamRule) {
    this.name = name
    this.rule = rule
  }

  /** True if the topic has a history. Only then do its members have positions. */
  get isKept (): boolean {
    return this.rule.retention !== null
  }

  get size (): number {
    return this.members.size + (this.catchUps?.size ?? 0)
  }

  /** Returns a member's position; null: not a member. */
  positionOf (connection: Connection): StreamPosition | null {
    if (this.members.has(connection)) return this.ahead?.get(connection) ?? this.position
    return this.catchUps?.get(connection)?.position ?? null
  }

  /** Makes the connection a member that is catching up. */
  catchUp (connection: Connection, catchUp: CatchUp): void {
    (this.catchUps ??= new Map()).set(connection, catchUp)
  }

  /** Ends a catch-up: the connection gets deliveries live, from the first one that it does not have. */
  goLive (connection: Connection, { position }: CatchUp): void {
    this.remove(connection)
    this.members.add(connection)
    if (position.offset > this.position!.offset) (this.ahead ??= new Map()).set(connection, position)
  }

  /** Returns true if a member that is ahead has read this delivery already. With the first delivery past its position it is no longer ahead. */
  hasAlready (connection: Connection, { epoch, offset }: StreamPosition): boolean {
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
