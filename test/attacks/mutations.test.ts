import t from 'tap'
import { WebSocket } from 'ws'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure } from '../fixtures/attacks.js'
import { mutation } from '../fixtures/mutations.js'
import { random } from '../fixtures/random.js'

const FRAMES = amount({ short: 20_000, long: 2_000_000 })
const SOCKETS = 8
/** So many frames, or bytes, are on their way on a socket before it waits for what was sent. */
const WINDOW = 10
const WINDOW_BYTES = 8_192
const MOST_MS = 50
/** Of the server's own limits none shall end this. */
const limits = { messagesPerSecond: 0, bytesPerSecond: 0, joinsPerSecond: 0, maxErrorsPerMinute: 10_000_000, maxConnectionsPerUser: 2 * SOCKETS }

/** A socket that sends, and hears of nothing but that everything was read. */
class Mutator {
  readonly #socket: WebSocket
  readonly closed: Promise<number>
  /** Frames that came back, by their type and an error's code. */
  readonly answers: Record<string, number> = {}
  #wake = () => {}

  constructor (server: AttackedServer) {
    this.#socket = server.dial('mallory').socket
    this.#socket.removeAllListeners('message')
    this.#socket.on('message', (data) => {
      const { type, code, id } = JSON.parse(data.toString())
      const kind = type === 'error' ? code : type
      this.answers[kind] = (this.answers[kind] ?? 0) + 1
      if (id === 'window') this.#wake()
    })
    this.closed = new Promise((resolve) => this.#socket.once('close', resolve))
  }

  async open (): Promise<this> {
    await new Promise((resolve) => this.#socket.once('open', resolve))
    return this
  }

  /** Sends frames from the source until there is none; resolves to the code where the server has closed the socket. */
  async run (next: () => string | null): Promise<number | null> {
    for (let more = true; more;) {
      const read = new Promise<null>((resolve) => { this.#wake = () => resolve(null) })
      let bytes = 0
      for (let n = 0; n < WINDOW && bytes < WINDOW_BYTES; n++) {
        const frame = next()
        more = frame !== null
        if (frame === null) break
        bytes += frame.length
        this.#socket.send(frame)
      }
      this.#socket.send('{"type":"ping","id":"window"}')
      const code = await Promise.race([read, this.closed])
      if (code !== null) return code
    }
    return null
  }

  close (): void {
    this.#socket.close()
  }
}

t.test('no mutated frame gets past the decoder', { timeout: 1_800_000 }, async (t) => {
  const seed = Date.now() % 1_000_000
  t.comment(`seed ${seed}`)
  const server = await AttackedServer.start(t, { limits }, { logger: { level: 'error' } })
  const chance = random(seed)
  const mutators = await Promise.all(Array.from({ length: SOCKETS }, () => new Mutator(server).open()))
  const warmUp = { left: FRAMES / 20 }
  const from = (source: { left: number }) => () => source.left-- > 0 ? mutation(chance) : null
  await Promise.all(mutators.map((mutator) => mutator.run(from(warmUp))))

  const frames = { left: FRAMES }
  await server.ask('time')
  const start = performance.now()
  const ends = await Promise.all(mutators.map((mutator) => mutator.run(from(frames))))
  const seconds = (performance.now() - start) / 1000
  t.same(ends, Array(SOCKETS).fill(null), 'no socket was closed')
  const { uncaught, isIntact, slowestTurnMs } = await server.ask('report')
  t.same(uncaught, [])
  t.equal(isIntact, true, 'no prototype has changed')
  t.ok(slowestTurnMs > 0 && slowestTurnMs <= MOST_MS, `the slowest turn took ${slowestTurnMs.toFixed(1)} ms of the processor`)
  const answers: Record<string, number> = {}
  for (const mutator of mutators) for (const [kind, count] of Object.entries(mutator.answers)) answers[kind] = (answers[kind] ?? 0) + count
  for (const kind of ['bad_json', 'bad_frame', 'too_deep', 'unknown_type', 'invalid_message', 'forbidden', 'unauthorized', 'pong', 'reply', 'subscribed']) {
    t.ok(answers[kind]! > 0, `${answers[kind]} times ${kind}`)
  }
  t.equal(answers.internal, undefined, 'nothing has failed inside')
  for (const mutator of mutators) mutator.close()
  const honest = await server.connect('alice')
  await honest.settled()
  figure(t, 'mutations', `${FRAMES} frames in ${seconds.toFixed(0)} s (seed ${seed}): ${uncaught.length} uncaught, prototypes ${isIntact ? 'unchanged' : 'CHANGED'}, ` +
    `slowest turn of the event loop ${slowestTurnMs.toFixed(1)} ms of CPU, with all of its frames`)
})
