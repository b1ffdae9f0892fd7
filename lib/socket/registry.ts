import { compareTexts } from '../pages.js'
import { OrderedSet } from '../engine/ordered-set.js'
import type { Connection } from './connection.js'

/** Position of a socket in lists, oldest first. */
export interface ConnectionPlace { readonly connectedAt: number, readonly id: string }

const NONE: ReadonlySet<Connection> = new Set()

/** Registry of this node's connections, by id and by user. */
export class Registry {
  readonly #byId = new Map<string, Connection>()
  readonly #inOrder = new OrderedSet<Connection, ConnectionPlace>(byPlace)
  readonly #byUser = new Map<string, Set<Connection>>()
  readonly #onOccupied: (() => void)[] = []
  #whenEmpty: (() => void) | null = null

  /** Number of open sockets, including unauthenticated ones; closing ones do not count (row A2). */
  get openCount (): number {
    let count = 0
    for (const connection of this.#byId.values()) if (connection.isOpen) count++
    return count
  }

  /** True while there is a connection, closing ones included. */
  get isOccupied (): boolean {
    return this.#byId.size > 0
  }

  get userCount (): number {
    return this.#byUser.size
  }

  add (connection: Connection): void {
    this.#byId.set(connection.id, connection)
    this.#inOrder.add(connection)
    this.#index(connection)
    if (this.#byId.size === 1) this.#occupied()
  }

  remove (connection: Connection): void {
    this.#byId.delete(connection.id)
    this.#inOrder.delete(connection)
    this.#unindex(connection)
    if (this.#byId.size > 0) return
    this.#whenEmpty?.()
    this.#occupied()
  }

  /** Adds a listener that is called when `isOccupied` has changed. */
  onOccupied (listener: () => void): void {
    this.#onOccupied.push(listener)
  }

  /** Runs `change`, and updates the index if it has set another user. */
  reindex (connection: Connection, change: () => void): void {
    this.#unindex(connection)
    change()
    this.#index(connection)
  }

  /**
   * Returns an open, authenticated or anonymous socket by its id; null: none.
   *
   * @param userId the user that it must belong to; null: it must be anonymous; missing: any user
   */
  getOpen (clientId: string, userId?: string | null): Connection | null {
    const connection = this.#byId.get(clientId)
    if (connection === undefined || !isUsable(connection)) return null
    return userId === undefined || userId === (connection.user?.id ?? null) ? connection : null
  }

  /** Iterates over the admitted open sockets, of one user or of all, oldest first; with `after` only those behind that position. The registry must not change meanwhile. */
  * open (userId?: string, after: ConnectionPlace | null = null): IterableIterator<Connection> {
    const connections = userId === undefined
      ? this.#inOrder.values(after)
      : [...this.of(userId)].filter((connection) => after === null || byPlace(connection, after) > 0).sort(byPlace)
    for (const connection of connections) if (isUsable(connection)) yield connection
  }

  /** Number of sockets that `open` yields. */
  countOpen (userId?: string): number {
    let count = 0
    for (const connection of userId === undefined ? this.all() : this.of(userId)) if (isUsable(connection)) count++
    return count
  }

  /** A user's open sockets except `self`, including those not admitted yet. */
  others (userId: string, self: Connection | null = null): Connection[] {
    return [...this.of(userId)].filter((connection) => connection !== self && connection.isOpen)
  }

  /** A user's sockets that have not ended, including closing ones. */
  of (userId: string): Iterable<Connection> {
    return this.#byUser.get(userId) ?? NONE
  }

  all (): IterableIterator<Connection> {
    return this.#byId.values()
  }

  /** Resolves when no connection is left. */
  async empty (): Promise<void> {
    if (this.#byId.size > 0) await new Promise<void>((resolve) => { this.#whenEmpty = resolve })
  }

  #occupied (): void {
    for (const listener of this.#onOccupied) listener()
  }

  #index (connection: Connection): void {
    if (connection.user === null) return
    const connections = this.#byUser.get(connection.user.id)
    if (connections === undefined) this.#byUser.set(connection.user.id, new Set([connection]))
    else connections.add(connection)
  }

  #unindex (connection: Connection): void {
    if (connection.user === null) return
    const connections = this.#byUser.get(connection.user.id)
    connections?.delete(connection)
    if (connections?.size === 0) this.#byUser.delete(connection.user.id)
  }
}

function isUsable (connection: Connection): boolean {
  return connection.isOpen && connection.isAdmitted
}

function byPlace (a: ConnectionPlace, b: ConnectionPlace): number {
  return a.connectedAt - b.connectedAt || compareTexts(a.id, b.id)
}
