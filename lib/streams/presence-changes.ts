import type { PresenceChange } from '../engine/engine.js'

type Kind = PresenceChange['kind']

/** Net presence change of a user in a channel within one window. */
export interface UserChange {
  userId: string
  /** The latest of the changes. */
  kind: Kind
  /** True if the changes cancel out: the user is back in the state that the members know. */
  isCancelled: boolean
  /** The number of the latest change. */
  number: number
}

/** Batches presence changes, so that a user who comes and goes within the window is announced once, or not at all. */
export class PresenceChanges {
  readonly #windowMs: number
  readonly #tell: (channel: string, changes: Iterable<UserChange>) => void
  readonly #channels = new Map<string, Map<string, { first: Kind, change: UserChange }>>()
  #timer: NodeJS.Timeout | null = null
  #number = 0
  #isClosed = false

  /**
   * @param windowMs time for which changes are collected
   * @param tell called with all changes of a channel within a window, ordered by the latest change of each user
   */
  constructor (windowMs: number, tell: (channel: string, changes: Iterable<UserChange>) => void) {
    this.#windowMs = windowMs
    this.#tell = tell
  }

  /** The number of the latest change. */
  get number (): number {
    return this.#number
  }

  add ({ channel, kind, user_id: userId }: PresenceChange): void {
    let users = this.#channels.get(channel)
    if (users === undefined) this.#channels.set(channel, users = new Map())
    const first = users.get(userId)?.first ?? kind
    // Deleted first, so that it moves to the end.
    users.delete(userId)
    users.set(userId, { first, change: { userId, kind, isCancelled: first !== kind, number: ++this.#number } })
    if (this.#isClosed) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), this.#windowMs)
  }

  /** Reports the collected changes, and all further ones at once. */
  close (): void {
    this.#isClosed = true
    clearTimeout(this.#timer!)
    this.#flush()
  }

  #flush (): void {
    this.#timer = null
    const channels = [...this.#channels]
    this.#channels.clear()
    for (const [channel, users] of channels) this.#tell(channel, [...users.values()].map(({ change }) => change))
  }
}
