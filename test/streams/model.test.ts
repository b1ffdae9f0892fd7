import t from 'tap'
import { startApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'
import { random } from '../fixtures/random.js'

interface Message { offset: number, n: number, except: string | null }
/** What a client was told of a stream, or got of it. Between streams there is no order. */
interface Line { topic: string, text: string }

const HISTORY_SIZE = 6
const CHANNELS = ['red', 'green', 'blue']
const USERS = ['alice', 'bob', 'carol']

/** What a stream should be: messages with offsets, of which the last few are kept. */
class ModelStream {
  offset = 0
  readonly topic: string
  readonly members = new Set<ModelClient>()
  #kept: Message[] = []

  constructor (topic: string) {
    this.topic = topic
  }

  publish (n: number, except: string | null): void {
    const message = { offset: ++this.offset, n, except }
    this.#kept = [...this.#kept, message].slice(-HISTORY_SIZE)
    for (const member of this.members) member.get(this.topic, message)
  }

  /** What is behind a position; null: that cannot be had. */
  since (offset: number): Message[] | null {
    if (offset > this.offset || offset < this.offset - this.#kept.length) return null
    return this.#kept.filter((message) => message.offset > offset)
  }
}

class ModelClient {
  readonly expected: Line[] = []
  socket!: TestClient & { id: string }
  readonly user: string

  constructor (user: string) {
    this.user = user
  }

  get (topic: string, { n, except }: Message): void {
    if (except !== this.socket.id) this.expected.push({ topic, text: `message ${n}` })
  }

  /** Into a stream, from where it was or from now on. */
  enter (stream: ModelStream, since: number | null): void {
    const { topic } = stream
    const missed = since === null ? null : stream.since(since)
    const at = missed === null ? stream.offset : since!
    this.expected.push({ topic, text: `in at ${at}, ${missed === null ? 'not recovered' : `recovered ${stream.offset - at}`}` })
    stream.members.add(this)
    for (const message of missed ?? []) this.get(topic, message)
  }
}

for (const seed of [1, 2, 3]) {
  t.test(`sockets receive all messages and history of their topics and no others, for random joins and sends (seed ${seed})`, async (t) => {
    const { pick, chance, int } = random(seed)
    const forbidden = new Set<string>()
    const server = await startApp(t, {
      authorizeSubscribe: (_user, channel) => !forbidden.has(channel),
      history: { size: HISTORY_SIZE },
      limits: { messagesPerSecond: 0, bytesPerSecond: 0, joinsPerSecond: 0, connectionsPerIpPerMinute: 0, maxErrorsPerMinute: 1_000_000 }
    }, { fastify: { logger: false } })
    const { ws } = server.app
    const streams = new Map<string, ModelStream>()
    const streamOf = (topic: string) => streams.get(topic) ?? streams.set(topic, new ModelStream(topic)).get(topic)!
    const epochs = new Map<string, string>()
    const clients = Array.from({ length: 9 }, (_, index) => new ModelClient(USERS[index % USERS.length]!))
    let number = 0

    /** Where a client may say that it was: anywhere in the stream, also ahead of it, or in another epoch. */
    const somewhere = (topic: string) => {
      const isForeign = chance(0.1)
      const offset = chance(0.2) ? streamOf(topic).offset + int(3) : Math.max(0, streamOf(topic).offset - int(HISTORY_SIZE + 3))
      return { position: { epoch: isForeign ? 'foreign' : epochs.get(topic) ?? 'foreign', offset }, since: isForeign || !epochs.has(topic) ? null : offset }
    }
    const read = (frame: Frame): Line[] => {
      const told = (topic: string, { epoch, offset, recovered, missed }: Frame | Omit<Frame, 'type'>) => {
        if (epochs.has(topic)) t.equal(epoch, epochs.get(topic), 'an epoch stays')
        epochs.set(topic, epoch)
        return { topic, text: `in at ${offset}, ${recovered === true ? `recovered ${missed}` : 'not recovered'}` }
      }
      switch (frame.type) {
        case 'connection': return frame.data.streams.map((stream: Frame & { topic: string }) => told(stream.topic, stream))
        case 'subscribed': return [told(`channel:${frame.channel}`, frame)]
        case 'test.numbered': return [{ topic: frame.topic, text: `message ${frame.n}` }]
        case 'error': return [{ topic: '', text: frame.code }]
        default: return []
      }
    }
    const connect = async (client: ModelClient) => {
      const topics = ['all', `user:${client.user}`]
      const recover: Record<string, object> = {}
      const froms = topics.map((topic) => {
        const { position, since } = somewhere(topic)
        if (chance(0.4)) return null
        recover[topic] = position
        return since
      })
      // Someone else's, which is none of its business.
      recover[`user:${pick(USERS.filter((user) => user !== client.user))}`] = somewhere('all').position
      client.socket = await server.connect(client.user, { path: `/ws?recover=${encodeURIComponent(JSON.stringify(recover))}` })
      topics.forEach((topic, index) => client.enter(streamOf(topic), froms[index]!))
      await client.socket.settled()
    }
    const leaveAll = (client: ModelClient) => { for (const stream of streams.values()) stream.members.delete(client) }
    /** Everything that a socket got is as the model has it. */
    const compare = (client: ModelClient) => {
      const [got, expected] = [client.socket.received.flatMap(read), client.expected.splice(0)]
      for (const topic of ['', ...streams.keys()]) {
        const of = (lines: Line[]) => lines.filter((line) => line.topic === topic).map(({ text }) => text)
        t.strictSame(of(got), of(expected), `${client.user} and ${topic}`)
      }
    }
    const operations = [
      async (client: ModelClient) => {
        const channel = pick(CHANNELS)
        const topic = `channel:${channel}`
        const { position, since } = somewhere(topic)
        const isAsked = chance(0.6)
        if (forbidden.has(channel)) client.expected.push({ topic: '', text: 'forbidden' })
        else if (isAsked && since !== null) client.enter(streamOf(topic), since)
        else client.enter(streamOf(topic), null)
        await client.socket.request({ type: 'subscribe', channel_ids: [channel], recover: isAsked ? { [channel]: position } : {} })
      },
      async (client: ModelClient) => {
        const channel = pick(CHANNELS)
        streamOf(`channel:${channel}`).members.delete(client)
        await client.socket.request({ type: 'unsubscribe', channel_ids: [channel] })
      },
      async (client: ModelClient) => {
        const channel = pick(CHANNELS)
        streamOf(`channel:${channel}`).members.add(client)
        await ws.join(client.socket.id, channel)
      },
      async (client: ModelClient) => {
        const channel = pick(CHANNELS)
        streamOf(`channel:${channel}`).members.delete(client)
        await ws.leave(client.socket.id, channel)
      },
      async (client: ModelClient) => {
        // A kick, or it goes by itself.
        leaveAll(client)
        if (chance(0.5)) await ws.disconnect(client.socket.id)
        await client.socket.close()
        compare(client)
        await connect(client)
      },
      async () => {
        const channel = pick(CHANNELS)
        if (!forbidden.delete(channel)) forbidden.add(channel)
      }
    ]
    const publish = async () => {
      const n = ++number
      const spared = chance(0.3) ? pick(clients).socket.id : null
      const options = spared === null ? {} : { except: [spared] }
      const [channel, user] = [pick(CHANNELS), pick(USERS)]
      const topic = pick(['all', `user:${user}`, `channel:${channel}`])
      const message = { type: 'test.numbered', n, topic }
      streamOf(topic).publish(n, spared)
      if (topic === 'all') await ws.broadcast(message, options)
      else if (topic.startsWith('user:')) await ws.sendToUser(user, message, options)
      else await ws.sendToChannel(channel, message, options)
    }

    for (const client of clients) await connect(client)
    for (let step = 0; step < 600; step++) {
      if (chance(0.6)) await publish()
      else await pick(operations)(pick(clients))
    }
    for (const client of clients) {
      await client.socket.settled()
      compare(client)
    }
  })
}
