import type { PresenceChange } from '../engine.js'

/** A change as nodes tell each other: those of a channel are numbered, so that one that was lost is missed. */
export interface NumberedChange extends PresenceChange { number: number }

export interface RosterEvents {
  /** Which users are in the channel, as of which change. */
  read: () => Promise<{ number: number, users: Set<string> }>
  tell: (kind: PresenceChange['kind'], user: string) => void
  fail: (error: unknown) => void
}

/** Which users a node knows to be in a channel that it listens to, so that it tells of each change once, however it hears. */
export class Roster {
  readonly #events: RosterEvents
  #users = new Set<string>()
  #number = 0
  #held: NumberedChange[] = []
  #isLoading = true
  #isClosed = false

  constructor (events: RosterEvents) {
    this.#events = events
  }

  /** Learns who is there to begin with, which is no news; its channel is subscribed to. */
  async open (): Promise<void> {
    const { number, users } = await this.#events.read()
    this.#number = number
    this.#users = users
    this.#release()
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

  close (): void {
    this.#isClosed = true
  }

  async #compare (): Promise<void> {
    const { number, users } = await this.#events.read()
    if (this.#isClosed) return
    const known = this.#users
    this.#number = number
    this.#users = users
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

  #apply ({ number, kind, user_id: user }: NumberedChange): void {
    this.#number = number
    if (kind === 'joined') this.#users.add(user)
    else this.#users.delete(user)
    if (!this.#isClosed) this.#events.tell(kind, user)
  }
}
