import { deflateRawSync } from 'node:zlib'
import { setImmediate as turn, setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure } from '../fixtures/attacks.js'
import { RawClient, maskedFrame, opcodes } from '../fixtures/raw-client.js'

const SOCKETS = amount({ short: 20, long: 200 })
const MAX_PAYLOAD = 65_536
const MIB = 1_048_576
/** A byte may arrive in a piece of its own, of which a socket may have so many. */
const PIECES_BYTES = 1_024 * 350
/** What the process may take besides the frames that its sockets may hold unfinished: its heap grows ahead of what is needed. */
const SLACK_BYTES = 128 * MIB

/** What may be held when all of them are gone: code that was compiled meanwhile, and what is kept of errors. */
const MOST_LEFT_BYTES = 16 * MIB

const RSV1 = 0x40
const CONTINUATION = 0
const masked = (first: number, payload: Buffer | string): Buffer => {
  const frame = maskedFrame(opcodes.text, payload)
  frame[0] = first
  return frame
}
/** A frame of a message that has more of them (RFC 6455 section 5.4). */
const unfinished = (opcode: number, payload: Buffer | string) => masked(opcode, payload)
/** The head of a frame with so many bytes, which then come one by one, or never. */
const head = (bytes: number) => {
  const start = Buffer.alloc(14)
  start.set([0x80 | opcodes.text, 0x80 | 127])
  start.writeBigUInt64BE(BigInt(bytes), 2)
  return start
}
const bomb = (bytes: number) => masked(0x80 | RSV1 | opcodes.text, deflateRawSync(Buffer.alloc(bytes, 'a'), { level: 9 }).subarray(0, MAX_PAYLOAD - 1))
const LARGE_BOMB = bomb(64 * MIB)
const SMALL_BOMBS = Buffer.concat(Array.from({ length: 20 }, () => bomb(MAX_PAYLOAD)))

/** Writes the same again and again until the server has cut the socket. */
async function flood ({ socket, ended }: RawClient, bytes: Buffer, most = Infinity): Promise<void> {
  const state = { isOver: false }
  ended.then(() => { state.isOver = true })
  for (let n = 0; n < most && !state.isOver; n++) {
    if (socket.write(bytes)) await turn()
    else await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), ended])
  }
}

/** Each is done by every socket at once; which of them the server cuts, and which it holds while they say no more. */
const attacks: Record<string, { isCut: boolean, attack: (client: RawClient) => Promise<unknown> }> = {
  'fragments of one byte': {
    isCut: true,
    attack: async (client) => {
      client.socket.write(unfinished(opcodes.text, '{'))
      await flood(client, unfinished(CONTINUATION, ' '))
    }
  },
  'fragments of one byte, one short of too many': {
    isCut: false,
    attack: async ({ socket }) => {
      socket.write(unfinished(opcodes.text, '{'))
      for (let i = 0; i < 127; i++) socket.write(unfinished(CONTINUATION, ' '))
    }
  },
  'empty fragments': {
    isCut: true,
    attack: async (client) => {
      client.socket.write(unfinished(opcodes.text, ''))
      await flood(client, Buffer.concat(Array.from({ length: 50 }, () => unfinished(CONTINUATION, ''))))
    }
  },
  'pings that nobody reads the answers of': {
    isCut: true,
    attack: async (client) => {
      client.socket.pause()
      await flood(client, Buffer.concat(Array.from({ length: 50 }, () => maskedFrame(opcodes.ping, 'x'.repeat(125)))), 1_000)
      client.socket.resume()
    }
  },
  'a decompression bomb of 64 MiB': {
    isCut: true,
    attack: async ({ socket, ended }) => {
      socket.write(LARGE_BOMB)
      await ended
    }
  },
  'many bombs as large as a frame may be': {
    isCut: true,
    attack: (client) => flood(client, SMALL_BOMBS)
  },
  'a frame of a petabyte': {
    isCut: true,
    attack: async ({ socket, ended }) => {
      socket.write(head(2 ** 50))
      await ended
    }
  },
  'a frame as large as one may be, all but its last byte': {
    isCut: false,
    attack: async ({ socket }) => {
      socket.write(head(MAX_PAYLOAD))
      socket.write(Buffer.alloc(MAX_PAYLOAD - 1))
    }
  },
  // How many of them the server reads at once is up to the network: only where they come one by one the sockets are cut.
  'segments of one byte': {
    isCut: false,
    attack: async (client) => {
      client.socket.setNoDelay(true)
      client.socket.write(head(MAX_PAYLOAD))
      await flood(client, Buffer.alloc(1), 2_000)
    }
  }
}

t.test('server memory is bounded, whatever sockets send in whatever pieces', { timeout: 600_000 }, async (t: Test) => {
  const server = await AttackedServer.start(t, {
    compression: { enabled: true },
    closeTimeoutMs: 500,
    // A frame is unpacked before it is refused: within a minute two hundred sockets would not all reach the default.
    limits: { maxConnections: SOCKETS * 2, maxConnectionsPerUser: SOCKETS * 2, maxPayloadBytes: MAX_PAYLOAD, maxRateLimitedPerMinute: 200 }
  })
  const open = async () => {
    const client = await RawClient.to(t, server)
    client.upgrade('/ws', { authorization: `Bearer ${server.token('mallory')}`, 'sec-websocket-extensions': 'permessage-deflate' })
    await client.response()
    return client
  }
  const honest = await server.connect('alice')
  const warmUp = await Promise.all(Array.from({ length: SOCKETS }, open))
  for (const client of warmUp) client.reset()
  await setTimeout(200)
  const { rss: before, heldBytes } = await server.ask('memory')
  const growths: string[] = []
  for (const [name, { isCut, attack }] of Object.entries(attacks)) {
    const clients = await Promise.all(Array.from({ length: SOCKETS }, open))
    await Promise.all(clients.map(attack))
    if (isCut) await Promise.all(clients.map(({ ended }) => ended))
    // What was sent before has arrived.
    await honest.settled()
    const { peakRss } = await server.ask('memory')
    const growth = peakRss - before
    t.ok(growth <= SOCKETS * (MAX_PAYLOAD + PIECES_BYTES) + SLACK_BYTES, `${name}: ${(growth / MIB).toFixed(1)} MiB`)
    growths.push(`${name} ${(growth / MIB).toFixed(0)}`)
    for (const client of clients) client.reset()
    await Promise.all(clients.map(({ ended }) => ended))
  }
  while ((await server.ask('report')).status.active_connections > 1) await setTimeout(10)
  const stay = (await server.ask('memory')).heldBytes - heldBytes
  t.ok(stay <= MOST_LEFT_BYTES, `${(stay / MIB).toFixed(1)} MiB are still held afterwards`)
  const { uncaught, status } = await server.ask('report')
  t.same(uncaught, [])
  t.ok(status.rejected.fragments > 0 && status.rejected.payload > 0 && status.rejected.messages > 0)
  await honest.settled()
  figure(t, 'memory', `${SOCKETS} sockets at once, MiB above ${(before / MIB).toFixed(0)} at the peak: ${growths.join('; ')}; ${(stay / MIB).toFixed(1)} MiB still held afterwards`)
})
