import { Type } from '@sinclair/typebox'
import t from 'tap'
import { startApp } from '../fixtures/app.js'
import type { TestClient } from '../fixtures/client.js'
import { random } from '../fixtures/random.js'

interface Modelled { client: TestClient & { id: string }, user: string, channels: Set<string>, expected: number[], isOpen: boolean }

const CHANNELS = ['red', 'green', 'blue']

for (const seed of [1, 2, 3]) {
  t.test(`every socket gets exactly its own messages, in order and once, for random sends in a turn (seed ${seed})`, async (t) => {
    const { pick, chance, int } = random(seed)
    const server = await startApp(t, { authorizeSubscribe: () => true, limits: { maxErrorsPerMinute: 1_000_000 } })
    const { ws } = server.app
    ws.handle('echo.it', { schema: Type.Object({ n: Type.Number() }) }, ({ n }) => n)
    const sockets: Modelled[] = await Promise.all(Array.from({ length: 24 }, async (_, i) => {
      const user = `user-${i % 8}`
      return { client: await server.connect(user), user, channels: new Set<string>(), expected: [], isOpen: true }
    }))
    const asked = new Map<Modelled, number>()
    let number = 0

    const deliver = (matches: (socket: Modelled) => boolean) => {
      number++
      for (const socket of sockets) if (socket.isOpen && matches(socket)) socket.expected.push(number)
      return { type: 'test.numbered', number, padding: 'x'.repeat(int(300)) }
    }
    const join = () => {
      const target = pick(sockets)
      if (target.isOpen) target.channels.add(pick(CHANNELS))
      return Promise.all([...target.channels].map((channel) => ws.join(target.client.id, channel)))
    }
    const operations = [
      () => ws.broadcast(deliver(() => true)),
      () => { const { user } = pick(sockets); return ws.sendToUser(user, deliver((socket) => socket.user === user)) },
      () => { const channel = pick(CHANNELS); return ws.sendToChannel(channel, deliver((socket) => socket.channels.has(channel))) },
      () => { const target = pick(sockets); return ws.sendToClient(target.client.id, deliver((socket) => socket === target)) },
      () => { const target = pick(sockets); return ws.broadcast(deliver((socket) => socket !== target), { except: [target.client.id] }) },
      join,
      () => { const target = pick(sockets); const channel = pick(CHANNELS); target.channels.delete(channel); return ws.leave(target.client.id, channel) },
      async () => {
        const target = pick(sockets)
        if (!target.isOpen) return
        asked.set(target, (asked.get(target) ?? 0) + 1)
        target.client.send(chance(0.5) ? { type: 'echo.it', n: number, id: `ask-${number}` } : { type: 'nothing', id: `ask-${number}` })
      }
    ]
    for (let turn = 0; turn < 150; turn++) {
      const sends: unknown[] = []
      for (let n = 1 + int(20); n > 0; n--) {
        const operation = pick(operations)
        const done = operation()
        // Nobody is a member before the join resolves; all else takes effect in the call.
        if (operation === join) await done
        else sends.push(done)
      }
      await Promise.all(sends)
      if (chance(0.03)) {
        const target = pick(sockets)
        if (target.isOpen) {
          // In the turn of its last messages: they still come, and nothing after them.
          const last = ws.sendToClient(target.client.id, deliver((socket) => socket === target))
          const closed = ws.disconnect(target.client.id)
          target.isOpen = false
          await Promise.all([last, closed])
        }
      }
      // Some turns follow each other in one phase of the event loop, others let the sockets work.
      if (chance(0.5)) await new Promise((resolve) => setImmediate(resolve))
    }
    for (const socket of sockets) await (socket.isOpen ? socket.client.settled() : socket.client.closed)
    for (const { client, expected } of sockets) {
      t.strictSame(client.received.filter((frame) => frame.type === 'test.numbered').map((frame) => frame.number), expected)
    }
    for (const socket of sockets) {
      if (!socket.isOpen) continue
      const answers = socket.client.received.filter((frame) => String(frame.id).startsWith('ask-'))
      t.equal(answers.length, asked.get(socket) ?? 0, 'one answer to each request')
    }
  })
}
