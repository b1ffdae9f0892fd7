import type { Checker, Entry, Journal } from '../fixtures/checker.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'
import { WellBehavedClient } from '../fixtures/well-behaved-client.js'

export interface CrowdOptions {
  sockets: number
  /** How many users and channels they share. */
  users: number
  channels: number
  checker: Checker
  /** Where to connect next. */
  origin: () => string
}

/** How many streams clients that came back asked for, and how many of these did not go on where they had been. */
export interface Returns { returning: number, unrecovered: number }

/** Without being told when, a client comes back within this time, at random. */
const RETURN_MS = 1_000
/** How long one that comes and goes stays, and stays away, at the most. */
const VISIT_MS = 4_000
const MAX_EXAMPLES = 5

/** The clients of a run. They come back by themselves, unless they were sent away. */
export class Crowd {
  readonly clients: readonly WellBehavedClient[]
  /** When each client was told to come back, milliseconds from then. */
  readonly toldToReturn: number[] = []
  readonly #options: CrowdOptions
  readonly #journals: Journal[] = []
  readonly #timers = new Map<number, NodeJS.Timeout>()
  /** Those who are away, and how long their journals were when they went. */
  readonly #away = new Map<number, number>()
  readonly #visitors = new Set<number>()
  readonly #returns: Returns = { returning: 0, unrecovered: 0 }
  readonly #unrecovered: string[] = []

  constructor (options: CrowdOptions) {
    this.#options = options
    this.clients = Array.from({ length: options.sockets }, (_, index) => this.#client(index))
  }

  /** Those who are neither away nor coming and going. */
  get staying (): WellBehavedClient[] {
    return this.clients.filter((_, index) => !this.#away.has(index) && !this.#visitors.has(index))
  }

  connect (): void {
    for (const client of this.clients) client.connect()
  }

  /** How many entries of a kind the clients have written. */
  count (kind: Entry['kind']): number {
    return this.#journals.reduce((count, { entries }) => count + entries.filter((entry) => entry.kind === kind).length, 0)
  }

  /**
   * Clients go away with all they have, in two groups that are a third together: everybody of every sixth channel, so that no node
   * has a member of it, and one of each other.
   */
  leave (group: 0 | 1): void {
    for (const [index, client] of this.clients.entries()) {
      const room = index % this.#options.channels
      const isAway = Math.floor(room / 6) % 2 === group && (room % 6 === 0 || this.#placeOf(index) === 0)
      if (!isAway || this.#away.has(index)) continue
      this.#away.set(index, this.#journals[index]!.entries.length)
      clearTimeout(this.#timers.get(index))
      client.reset()
    }
  }

  /** Those who had gone away come back. */
  async comeBack (): Promise<Returns> {
    const away = [...this.#away]
    this.#away.clear()
    for (const [index] of away) this.clients[index]!.connect()
    await this.entered()
    for (const [index, from] of away) {
      const seen = new Set<string>()
      for (const entry of this.#journals[index]!.entries.slice(from)) {
        // Only the first answer is about the absence.
        if (entry.kind !== 'entered' || seen.has(entry.topic)) continue
        seen.add(entry.topic)
        if (entry.asked === null) continue
        this.#returns.returning++
        if (entry.recovered) continue
        this.#returns.unrecovered++
        this.#unrecovered.push(`client ${index} was not recovered in ${JSON.stringify(entry)}`)
      }
    }
    return { ...this.#returns }
  }

  /** Some of those who were not. */
  get examples (): string[] {
    return this.#unrecovered.slice(0, MAX_EXAMPLES)
  }

  /** From now on some come and go all the time. */
  churn (): void {
    for (const index of this.clients.keys()) {
      if (this.#placeOf(index) !== 1 || index % 2 !== 0) continue
      this.#visitors.add(index)
      this.#visit(index)
    }
  }

  /** Everybody is to stay from now on. */
  async settle (): Promise<Returns> {
    for (const index of this.#visitors) {
      clearTimeout(this.#timers.get(index))
      if (!this.clients[index]!.isConnected) this.clients[index]!.connect()
    }
    this.#visitors.clear()
    return this.comeBack()
  }

  /** Resolves when every client that is not away is where it wants to be. */
  entered (): Promise<void> {
    const outside = () => this.staying.filter((client) => !client.isEntered)
    return until(() => outside().length === 0, { everyMs: 25, missing: () => `${outside().length} clients are not where they want to be` })
  }

  close (): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    for (const client of this.clients) client.destroy()
  }

  /** Which of the members of its channel the client is. */
  #placeOf (index: number): number {
    return Math.floor(index / this.#options.channels)
  }

  #visit (index: number): void {
    this.#later(index, Math.random() * VISIT_MS, () => {
      const client = this.clients[index]!
      if (client.isConnected) client.reset()
      else client.connect()
      this.#visit(index)
    })
  }

  #later (index: number, ms: number, act: () => void): void {
    clearTimeout(this.#timers.get(index))
    this.#timers.set(index, setTimeout(act, ms))
  }

  #client (index: number): WellBehavedClient {
    const { checker, origin, users, channels } = this.#options
    const journal = checker.journal(`client ${index}`)
    this.#journals.push(journal)
    const client = new WellBehavedClient(`user-${index % users}`, {
      journal,
      now: checker.now,
      token: (user) => forge({ sub: user }),
      origin,
      onEnd: ({ afterMs }) => {
        if (afterMs !== null) this.toldToReturn.push(afterMs)
        // One that comes and goes has its own time.
        if (this.#visitors.has(index)) return
        this.#later(index, afterMs ?? Math.random() * RETURN_MS, () => client.connect())
      }
    })
    client.subscribe(`room-${index % channels}`)
    return client
  }
}
