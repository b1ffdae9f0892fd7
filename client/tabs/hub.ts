import type { StreamPosition } from '../positions.js'
import type { Frame, OpenSocket, Socket } from '../socket.js'

/** A tab's virtual socket, in the tab that holds the real one. */
export interface Port {
  readonly id: string
  receive: (data: string) => void
  end: (code: number, reason: string) => void
}

/** The handshake that a tab would make; the URL has its positions. */
export interface Handshake { url: string, protocols: string[] }

interface Member extends Handshake {
  port: Port
  /** True once it is greeted: from then on it gets messages. */
  isLive: boolean
  /** Its channels; true once its `subscribe` is answered. Messages that come earlier may be newer than those that it is to recover. */
  channels: Map<string, boolean>
}

/** A tab that has asked for a channel, and the id of its request. */
interface Asker { member: Member, id: unknown }

type Position = StreamPosition & { recovered?: boolean, missed?: number }

/** Prefix of the ids of the hub's own requests. */
const OWN = 'hub'

/**
 * The real socket, and the tabs that share it. To the server it is one client. Each tab has its own request ids and channels; messages of
 * other streams go to all tabs, and each drops by the offset what it has already.
 */
export class Hub {
  readonly #openSocket: () => Promise<OpenSocket>
  readonly #members = new Map<string, Member>()
  /** Tabs that have asked for a channel and have no answer yet, in order, by channel. */
  readonly #askers = new Map<string, Asker[]>()
  /** Positions of the streams that every socket is a member of. */
  readonly #positions = new Map<string, Position>()
  /** Tabs that wait for their streams to be recovered, by the id of the hub's request. */
  readonly #recoveries = new Map<string, { member: Member, topics: Set<string>, found: Map<string, Position> }>()
  #socket: Socket | null = null
  #greeting: Frame | null = null
  #lastId = 0
  #isClosed = false

  constructor (openSocket: () => Promise<OpenSocket>) {
    this.#openSocket = openSocket
  }

  /** A tab opens its virtual socket. The first one opens the real one. */
  attach (port: Port, handshake: Handshake): void {
    const member: Member = { port, ...handshake, isLive: false, channels: new Map() }
    this.#members.set(port.id, member)
    if (this.#greeting !== null) this.#greet(member)
    else if (this.#members.size === 1) this.#open(member)
  }

  /** A tab closes its virtual socket, or is gone. */
  detach (id: string): void {
    const member = this.#members.get(id)
    if (member === undefined) return
    this.#members.delete(id)
    const left = [...member.channels.keys()].filter((channel) => !this.#isWanted(channel))
    if (left.length > 0 && this.#greeting !== null) this.#send({ type: 'unsubscribe', channel_ids: left })
    if (this.#members.size === 0) this.#end()
    else if (this.#socket === null && !this.#isClosed) this.#open([...this.#members.values()][0]!)
  }

  /** A tab sends a frame. */
  send (id: string, data: string): void {
    const member = this.#members.get(id)
    if (member === undefined || this.#greeting === null) return
    const frame: Frame = JSON.parse(data)
    if (frame.id !== undefined) frame.id = `${id}:${frame.id}`
    if (frame.type === 'subscribe') {
      for (const channel of frame.channel_ids as string[]) {
        member.channels.set(channel, member.channels.get(channel) ?? false)
        const asker = { member, id: frame.id }
        const askers = this.#askers.get(channel)
        if (askers === undefined) this.#askers.set(channel, [asker])
        else askers.push(asker)
      }
    } else if (frame.type === 'unsubscribe') {
      for (const channel of frame.channel_ids as string[]) member.channels.delete(channel)
      frame.channel_ids = (frame.channel_ids as string[]).filter((channel) => !this.#isWanted(channel))
      if (frame.channel_ids.length === 0) return member.port.receive(JSON.stringify({ type: 'reply', id: originalId(frame.id), data: { channel_ids: [] } }))
    }
    this.#send(frame)
  }

  /** Closes the socket: the tab does not hold it any more, and the others find out who does. */
  close (): void {
    this.#isClosed = true
    const members = [...this.#members.values()]
    this.#members.clear()
    this.#end()
    for (const { port } of members) handOver(port)
  }

  async #open ({ url, protocols }: Handshake): Promise<void> {
    try {
      const open = await this.#openSocket()
      if (this.#isClosed || this.#members.size === 0) return
      const socket = this.#socket = open(url, protocols)
      socket.onerror = () => {}
      socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#receive(data as string) }
      socket.onclose = ({ code, reason }) => { if (socket === this.#socket) this.#lost(code, reason) }
    } catch (error) {
      this.#lost(1006, String(error))
    }
  }

  #receive (data: string): void {
    let frame: Frame
    try {
      frame = JSON.parse(data)
    } catch {
      return this.#tellAll(data)
    }
    if (frame.stream?.epoch !== undefined && this.#positions.has(frame.stream.topic)) this.#positions.set(frame.stream.topic, frame.stream)
    switch (frame.type) {
      case 'connection': return this.#greeted(frame)
      case 'reply':
      case 'error':
        if (frame.id !== undefined) return this.#answer(frame)
        break
      case 'subscribed': return frame.channel === null ? this.#recovered(frame) : this.#entered(frame, data)
      case 'gap':
        if (this.#positions.has(frame.topic)) this.#positions.set(frame.topic, { epoch: frame.epoch, offset: frame.offset })
        break
      // One tab is enough: all have the same user.
      case 'token_expiring': return [...this.#members.values()].find(({ isLive }) => isLive)?.port.receive(data)
    }
    const topic: string | undefined = frame.stream?.topic ?? frame.topic
    if (topic?.startsWith('channel:')) this.#tellMembers(topic.slice(8), data)
    else this.#tellAll(data)
  }

  #tellAll (data: string): void {
    for (const { port, isLive } of this.#members.values()) if (isLive || this.#greeting === null) port.receive(data)
  }

  /** Where no tab has asked for the channel, the app has put the socket in it. */
  #tellMembers (channel: string, data: string): void {
    if (!this.#isWanted(channel)) return this.#tellAll(data)
    for (const { port, channels } of this.#members.values()) if (channels.get(channel) === true) port.receive(data)
  }

  /** The server greets the socket, or answers a change of identity. */
  #greeted (frame: Frame): void {
    const isFirst = this.#greeting === null
    this.#greeting = frame
    for (const { topic, epoch, offset } of frame.data.streams ?? []) if (!topic.startsWith('channel:')) this.#positions.set(topic, { epoch, offset })
    if (!isFirst) return this.#tellAll(JSON.stringify(frame))
    const [opener, ...others] = this.#members.values()
    if (opener === undefined) return
    opener.isLive = true
    opener.port.receive(JSON.stringify(frame))
    for (const member of others) this.#greet(member)
  }

  /** Greets a tab that comes to an open socket. Messages that it lacks are recovered from the server, which sends them to all tabs. */
  #greet (member: Member): void {
    const { user_id: userId } = this.#greeting!.data
    const wanted = recoverOf(member.url)
    const had = Object.entries(wanted).filter(([topic]) => this.#positions.has(topic))
    const isBehind = had.some(([topic, { epoch, offset }]) => {
      const position = this.#positions.get(topic)!
      return epoch !== position.epoch || offset !== position.offset
    })
    if (!isBehind) return this.#welcome(member, new Map())
    const id = `${OWN}:${++this.#lastId}`
    // All streams, also those where it lacks nothing: messages may come there before the answer.
    this.#recoveries.set(id, { member, topics: new Set(had.map(([topic]) => topic)), found: new Map() })
    this.#send({ type: 'subscribe', id, ...userId === null ? {} : { user_id: userId }, recover: Object.fromEntries(had) })
  }

  #recovered ({ topic, epoch, offset, recovered, missed }: Frame): void {
    // The requests are answered in order.
    const [id, recovery] = [...this.#recoveries].find(([, { topics }]) => topics.has(topic)) ?? []
    if (id === undefined || recovery === undefined) return
    recovery.topics.delete(topic)
    recovery.found.set(topic, { epoch, offset, recovered, missed })
    if (recovery.topics.size > 0) return
    this.#recoveries.delete(id)
    this.#welcome(recovery.member, recovery.found)
  }

  #welcome (member: Member, found: ReadonlyMap<string, Position>): void {
    const wanted = recoverOf(member.url)
    const { data } = this.#greeting!
    const streams = [...this.#positions].map(([topic, position]) => ({
      topic, ...position, recovered: wanted[topic] !== undefined && !found.has(topic), missed: 0, ...found.get(topic)
    }))
    member.isLive = true
    member.port.receive(JSON.stringify({ type: 'connection', data: { ...data, channels: [], streams } }))
  }

  #answer (frame: Frame): void {
    const id = String(frame.id)
    const recovery = this.#recoveries.get(id)
    if (recovery !== undefined) {
      // The recovery failed: the tab learns that it missed messages.
      this.#recoveries.delete(id)
      const lost = [...recovery.topics].map((topic) => [topic, { ...this.#positions.get(topic)!, recovered: false }] as const)
      return this.#welcome(recovery.member, new Map([...recovery.found, ...lost]))
    }
    if (frame.type === 'error') this.#refused(id)
    const member = this.#members.get(id.slice(0, id.indexOf(':')))
    if (member === undefined) return
    member.port.receive(JSON.stringify({ ...frame, id: originalId(frame.id) }))
  }

  #entered ({ channel }: Frame, data: string): void {
    const asker = this.#askers.get(channel)?.shift()
    if (asker === undefined) return this.#tellAll(data)
    const { port, channels } = asker.member
    if (this.#members.get(port.id) !== asker.member) return
    if (channels.has(channel)) channels.set(channel, true)
    port.receive(data)
  }

  /** Forgets the tabs of a refused request: the next `subscribed` belongs to another. */
  #refused (id: string): void {
    for (const [channel, askers] of this.#askers) this.#askers.set(channel, askers.filter((asker) => asker.id !== id))
  }

  #isWanted (channel: string): boolean {
    return [...this.#members.values()].some(({ channels }) => channels.has(channel))
  }

  #send (frame: object): void {
    this.#socket?.send(JSON.stringify(frame))
  }

  #lost (code: number, reason: string): void {
    const members = [...this.#members.values()]
    this.#members.clear()
    this.#end()
    for (const { port } of members) port.end(code, reason)
  }

  #end (): void {
    const socket = this.#socket
    this.#socket = null
    this.#greeting = null
    for (const map of [this.#askers, this.#positions, this.#recoveries]) map.clear()
    socket?.close()
  }
}

/** Ends a tab's virtual socket so that the tab reconnects at once. */
export function handOver (port: Port): void {
  port.receive(JSON.stringify({ type: 'reconnect', after_ms: 0 }))
  port.end(1012, 'Another tab holds the connection')
}

function recoverOf (url: string): Record<string, StreamPosition> {
  return JSON.parse(new URL(url).searchParams.get('recover') ?? '{}')
}

/** The id that the tab gave its request. */
function originalId (id: unknown): string {
  const text = String(id)
  return text.slice(text.indexOf(':') + 1)
}
