import type { PresenceChange, PresenceStore, PresentClient } from '../engine.js'

interface Present {
  clients: Map<string, PresentClient>
  /** Number of sockets in the channel, by user. */
  users: Map<string, number>
}

/** Presence in the channels of one node. */
export class MemoryPresenceStore implements PresenceStore {
  readonly #channels = new Map<string, Present>()
  #listener: (change: PresenceChange) => void = () => {}

  async add (channel: string, client: PresentClient): Promise<void> {
    let present = this.#channels.get(channel)
    if (present === undefined) this.#channels.set(channel, present = { clients: new Map(), users: new Map() })
    if (present.clients.has(client.client_id)) return
    present.clients.set(client.client_id, client)
    const { user_id: user } = client
    if (user === null) return
    const sockets = (present.users.get(user) ?? 0) + 1
    present.users.set(user, sockets)
    if (sockets === 1) this.#listener({ channel, kind: 'joined', user_id: user })
  }

  async remove (channel: string, { client_id: id }: PresentClient): Promise<void> {
    const present = this.#channels.get(channel)
    const client = present?.clients.get(id)
    if (present === undefined || client === undefined) return
    present.clients.delete(id)
    if (present.clients.size === 0) this.#channels.delete(channel)
    const { user_id: user } = client
    if (user === null) return
    const sockets = present.users.get(user)! - 1
    if (sockets > 0) {
      present.users.set(user, sockets)
      return
    }
    present.users.delete(user)
    this.#listener({ channel, kind: 'left', user_id: user })
  }

  async list (channel: string): Promise<PresentClient[]> {
    return [...this.#channels.get(channel)?.clients.values() ?? []]
  }

  onChange (listener: (change: PresenceChange) => void): void {
    this.#listener = listener
  }

  close (): void {
    this.#listener = () => {}
    this.#channels.clear()
  }
}
