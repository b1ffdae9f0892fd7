import { setImmediate as turn } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { HandlerContext } from '../../lib/index.js'
import { MemoryPresenceStore } from '../../lib/engine/memory/presence.js'
import { SECRET, startApp } from '../fixtures/app.js'
import { amount, figure } from '../fixtures/attacks.js'
import type { Frame } from '../fixtures/client.js'
import { random } from '../fixtures/random.js'
import { forge } from '../fixtures/tokens.js'

const SOCKETS = 4
const STEPS = amount({ short: 120, long: 20_000 })
/** So many handlers and changes of the user may be under way on a socket. */
const MOST_AT_WORK = 40
const users = ['alice', 'bob', 'carol', null] as const
type Name = typeof users[number]

/** Which user a frame or a channel is of, as the handlers of this test mark it. */
const markOf = (user: { id: string } | null) => user?.id ?? 'nobody'

t.test('work begun by one user of a socket has no effect on the next user, in whatever order it ends', { timeout: 1_800_000 }, async (t) => {
  const seed = Date.now() % 1_000_000
  t.comment(`seed ${seed}`)
  const { int, chance, pick } = random(seed)
  const someTurns = async (most: number) => { for (let left = int(most); left > 0; left--) await turn() }
  // What takes a store a while, takes it here, too.
  for (const method of ['add', 'list'] as const) {
    const original = MemoryPresenceStore.prototype[method] as (...args: unknown[]) => Promise<unknown>
    t.intercept(MemoryPresenceStore.prototype, method, {
      value: async function (this: MemoryPresenceStore, ...args: unknown[]) {
        const result = await original.apply(this, args)
        await someTurns(20)
        return result
      }
    })
  }
  const working = new Set<unknown>()
  let done = 0
  let late = 0
  const wrong: string[] = []
  /** Each does one thing with its context, at a moment of its own. */
  const acts: Record<string, (context: HandlerContext) => unknown> = {
    reply: ({ reply, user }) => reply({ owner: markOf(user) }),
    send: ({ send, user }) => send({ type: 'app.sent', owner: markOf(user) }),
    join: ({ join, user }) => join(`${chance(0.5) ? 'present' : 'plain'}.${markOf(user)}`),
    leave: ({ leave }) => leave('kept'),
    signal: ({ signal, user, client }) => {
      if (markOf(client!.user) !== markOf(user) && !signal.aborted) wrong.push(`the signal of ${markOf(user)} has not fired`)
    },
    log: ({ log, user }) => log.info({ owner: markOf(user) }, 'by a handler'),
    throw: ({ user }) => { throw new Error(markOf(user)) },
    return: ({ user }) => ({ owner: markOf(user) })
  }
  const server = await startApp(t, {
    auth: { anonymous: true },
    limits: { maxErrorsPerMinute: 10_000_000, maxPendingHandlers: 10_000, maxChannelsPerConnection: 1_000 },
    channels: { 'present.*': { presence: true }, kept: { presence: true } },
    jwt: { secret: async () => { await someTurns(5); return SECRET } },
    authorizeSubscribe: async (user, channel) => {
      await someTurns(5)
      return channel === 'kept' || channel.endsWith(`.${markOf(user)}`)
    }
  }, {
    after: ({ ws }) => {
      ws.handle('act.slowly', { schema: Type.Object({ act: Type.String() }) }, async ({ act }, context) => {
        working.add(context)
        const { user, client } = context
        try {
          await someTurns(60)
          if (markOf(client!.user) !== markOf(user)) late++
          return await acts[act]!(context)
        } finally {
          working.delete(context)
          done++
        }
      })
      // The app's own calls, which know the socket by its id.
      const joining = ({ client }: { client: HandlerContext['client'] }) => {
        const owner = markOf(client!.user)
        const joined = ws.join(client!.id, `present.${owner}`).finally(() => working.delete(joined))
        working.add(joined)
      }
      ws.on('client_connected', joining)
      ws.on('identity_changed', joining)
    }
  })
  const { ws } = server.app
  const tokens = Object.fromEntries(['alice', 'bob', 'carol'].map((user) => [user, forge({ sub: user })]))

  /** What a socket reads is compared with whose it is at that place of its stream. */
  async function drive (): Promise<void> {
    const client = server.dial('', { token: null })
    let owner = 'nobody'
    let nextId = 0
    const answers = new Map<number, number>()
    const asked = new Map<number, string>()
    const read = (frame: Frame) => {
      const told: string | undefined = frame.owner ?? frame.data?.owner
      if (frame.type === 'connection') {
        owner = frame.data.user_id ?? 'nobody'
        const foreign = frame.data.channels.filter((channel: string) => channel !== 'kept' && !channel.endsWith(`.${owner}`))
        if (foreign.length > 0) wrong.push(`${owner} is in ${foreign}`)
      } else if (told !== undefined && told !== owner) wrong.push(`${frame.type} of ${told} to ${owner}`)
      else if (frame.type === 'presence' && frame.channel !== 'kept' && !frame.channel.endsWith(`.${owner}`)) wrong.push(`presence of ${frame.channel} to ${owner}`)
      if (typeof frame.id === 'number') answers.set(frame.id, (answers.get(frame.id) ?? 0) + 1)
    }
    client.socket.on('message', (data) => read(JSON.parse(data.toString())))
    await client.opened()
    for (let step = 0; step < STEPS; step++) {
      const id = ++nextId
      const user: Name = pick(users)
      const frame = pick([
        { type: 'change_user', ...user !== null && { token: tokens[user] } },
        { type: 'subscribe', channel_ids: ['kept'] },
        ...Object.keys(acts).map((act) => ({ type: 'act.slowly', act }))
      ])
      asked.set(id, JSON.stringify(frame))
      client.send({ ...frame, id })
      while (asked.size - answers.size > MOST_AT_WORK) await turn()
      if (chance(0.1)) await someTurns(20)
      client.queue.length = 0
      client.received.length = 0
    }
    while (answers.size < asked.size) await turn()
    while (working.size > 0) await turn()
    await client.settled()
    for (const [id, count] of answers) if (count !== 1) wrong.push(`${count} answers to ${asked.get(id)}`)
    const { data } = await client.request({ type: 'connection' })
    const foreign = data.channels.filter((channel: string) => channel !== 'kept' && !channel.endsWith(`.${owner}`))
    if (foreign.length > 0) wrong.push(`${owner} ends in ${foreign}`)
    await client.close()
  }

  await Promise.all(Array.from({ length: SOCKETS }, drive))
  t.same(wrong.slice(0, 20), [])
  t.ok(late > 0, `${late} of ${done} handlers acted when the socket was another's`)
  const foreignLogs = server.logs.filter(({ msg, owner, user_id: userId }) => msg === 'by a handler' && owner !== (userId ?? 'nobody'))
  t.same(foreignLogs, [], 'every line names the user whose handler wrote it')
  t.equal(ws.getConnectionCount(), 0)
  figure(t, 'identities', `${SOCKETS} sockets of ${users.length} users in turn, ${SOCKETS * STEPS} frames (seed ${seed}): ${late} of ${done} slow handlers acted when the socket was another user's, ` +
    `${wrong.length} effects on another`)
})
