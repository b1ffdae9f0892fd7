import type { PresenceChange } from '../engine.js'

/** A change as nodes tell each other: those of a channel are numbered, so that one that was lost is missed. */
export interface NumberedChange extends PresenceChange { number: number }

export interface RosterEvents {
  /** Which users are in the channel, as of which change. */
  read: () => Promise<{ number: number, users: Set<string> }>
  tell: (kind: PresenceChange['kind'], user: string) => void
  fail: (error: unknown) => void
}

/**
 * The users that a node knows to be in a channel that it listens to, so that it tells of each change once, however it hears. A change
 * that the node has made itself is told also where the roster is opened, or closed, before its message comes.
 */
export class Roster {
  readonly #events: RosterEvents
  #users = new Set<string>()
  #number = 0
  /** The change as of which it began; null: it has not been read yet. */
  #since: number | null = null
  /** Changes that this node has made, and that are not told yet. */
  #own: NumberedChange[] = []
  #held: NumberedChange[] = []
  #isLoading = true
  #isClosed = false

  constructor (events: RosterEvents) {
    this.#events = events
  }

  /** Learns who is there to begin with, which is no news; its channel is subscribed to. */
  async open (): Promise<void> {
    const { number, users } = await this.#events.read()
    this.#number = this.#since = number
    this.#users = users
    for (const change of this.#own) if (change.number <= number) this.#tell(change)
    this.#forgetOwn()
    this.#release()
  }

  /** Tells whether a change has been told since the roster was opened. */
  hasTold (number: number): boolean {
    return this.#since !== null && number > this.#since && number <= this.#number
  }

  /** Takes a change that this node has made. */
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

  /** Compares with who is there, where changes may have been lost. */
  load (): void {
    if (this.#isLoading || this.#isClosed) return
    this.#isLoading = true
    this.#compare().catch((error) => {
      this.#isLoading = false
      this.#events.fail(error)
    })
  }

  /** Tells the rest of this node's own changes, whose messages it would not receive any more. */
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

  /** Drops the own changes that the roster has told. */
  #forgetOwn (): void {
    if (this.#own.length > 0) this.#own = this.#own.filter(({ number }) => number > this.#number)
  }
}
