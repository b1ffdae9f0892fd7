import type { PresenceChange } from '../engine.js'

/** A change as sent between nodes. The changes of a channel are numbered, so gaps are detected. */
export interface NumberedChange extends PresenceChange { number: number }

export interface RosterEvents {
  /** Reads the users in the channel, and the number of the latest change. */
  read: () => Promise<{ number: number, users: Set<string> }>
  tell: (kind: PresenceChange['kind'], user: string) => void
  fail: (error: unknown) => void
}

/**
 * The users in a channel that a node listens to, so that it reports each change once, however it learns of it. This node's own
 * changes are also reported if the roster opens or closes before their message arrives.
 */
export class Roster {
  readonly #events: RosterEvents
  #users = new Set<string>()
  #number = 0
  /** Number of the change as of which it began; null: not read yet. */
  #since: number | null = null
  /** Unreported changes made by this node. */
  #own: NumberedChange[] = []
  #held: NumberedChange[] = []
  #isLoading = true
  #isClosed = false

  constructor (events: RosterEvents) {
    this.#events = events
  }

  /** Reads the current users, without reporting them; the channel is subscribed to. */
  async open (): Promise<void> {
    const { number, users } = await this.#events.read()
    this.#number = this.#since = number
    this.#users = users
    for (const change of this.#own) if (change.number <= number) this.#tell(change)
    this.#forgetOwn()
    this.#release()
  }

  /** Returns true if a change was reported since the roster was opened. */
  hasTold (number: number): boolean {
    return this.#since !== null && number > this.#since && number <= this.#number
  }

  /** Takes a change made by this node. */
  made (change: NumberedChange): void {
    if (this.hasTold(change.number)) return
    if (this.#since !== null && change.number <= this.#since) this.#tell(change)
    else this.#own.push(change)
  }

  receive (change: NumberedChange): void {
    if (this.#isLoading) this.#held.push(change)
    else if (change.number === this.#number + 1) this.#apply(change)
    else this.load()
  }

  /** Re-reads the users, since changes may have been lost. */
  load (): void {
    if (this.#isLoading || this.#isClosed) return
    this.#isLoading = true
    this.#compare().catch((error) => {
      this.#isLoading = false
      this.#events.fail(error)
    })
  }

  /** Reports this node's remaining changes, whose messages would no longer arrive. */
  close (): void {
    this.#isClosed = true
    for (const change of this.#own) this.#tell(change)
    this.#own = []
  }

  async #compare (): Promise<void> {
    const { number, users } = await this.#events.read()
    if (this.#isClosed) return
    const known = this.#users
    this.#number = number
    this.#users = users
    this.#forgetOwn()
    for (const user of known) if (!users.has(user)) this.#events.tell('left', user)
    for (const user of users) if (!known.has(user)) this.#events.tell('joined', user)
    this.#release()
  }

  #release (): void {
    this.#isLoading = false
    const held = this.#held.filter(({ number }) => number > this.#number)
    this.#held = []
    for (const change of held) this.receive(change)
  }

  #apply (change: NumberedChange): void {
    const { number, kind, user_id: user } = change
    this.#number = number
    this.#forgetOwn()
    if (kind === 'joined') this.#users.add(user)
    else this.#users.delete(user)
    if (!this.#isClosed) this.#tell(change)
  }

  #tell ({ kind, user_id: user }: NumberedChange): void {
    this.#events.tell(kind, user)
  }

  /** Drops own changes that were reported. */
  #forgetOwn (): void {
    if (this.#own.length > 0) this.#own = this.#own.filter(({ number }) => number > this.#number)
  }
}
