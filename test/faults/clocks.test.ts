import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { TestClient } from '../fixtures/client.js'
import { RedisServer } from '../fixtures/redis.js'
import { refusal } from '../fixtures/refusal.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'
import { fault, lengthy, type Figures } from './fault.js'
import { NodeProcess } from './node-process.js'

t.setTimeout(lengthy(600_000, 60_000))

const CLOCKS = ['-300s', '+0s', '+300s']
const AHEAD_MS = [-300_000, 0, 300_000]
/** How many users there are whose tokens are revoked, for each of the nodes. */
const USERS = lengthy(20, 2)

const seconds = () => Math.floor(Date.now() / 1_000)
const unauthorized = { statusCode: 401, body: { code: 'WSM_ERR_UNAUTHORIZED' } }

async function startNodes (t: Test): Promise<NodeProcess[]> {
  const { port } = await RedisServer.start(t)
  const nodes = CLOCKS.map((clock) => new NodeProcess({ clock, redis: { port }, engine: {}, options: {} }))
  t.teardown(async () => {
    for (const { socket } of clients) socket.terminate()
    clients.clear()
    await Promise.all(nodes.map((node) => node.kill()))
  })
  await Promise.all(nodes.map((node) => node.start()))
  return nodes
}

const clients = new Set<TestClient>()

function open ({ origin }: NodeProcess, query = '', bearer: string[] = []): TestClient {
  const client = new TestClient(`${origin.replace('http', 'ws')}/ws${query}`, ['ws-manager.v1', ...bearer])
  clients.add(client)
  return client
}

const dial = (node: NodeProcess, token: string) => open(node, '', [`bearer.${token}`])

/** A socket that has read its first frame. */
async function connect (node: NodeProcess, token: string): Promise<TestClient> {
  const client = await dial(node, token).opened()
  await client.next('connection')
  return client
}

fault('clocks of nodes five minutes behind and ahead', async (t) => {
  const nodes = await startNodes(t)
  await t.test('each node reports how far its own clock is off', async (t) => {
    for (const [index, node] of nodes.entries()) {
      const status = await node.command<{ clock_offset_ms: number }>('status')
      t.ok(Math.abs(status.clock_offset_ms - AHEAD_MS[index]!) < 100, `${status.clock_offset_ms} ms, which faketime makes ${AHEAD_MS[index]}`)
      const ready = await (await fetch(`${node.origin}/ws/ready`)).json() as { status: string, clock_offset_ms?: number }
      t.equal(ready.status, 'ready')
      t.equal('clock_offset_ms' in ready, AHEAD_MS[index] !== 0)
    }
  })
  const figures: Figures = { revoked: 0, leftOpen: 0, letInAgain: 0, refusedThoughGood: 0 }
  await t.test('a revocation by any node ends tokens issued before, and nothing else', async (t) => {
    const users = nodes.flatMap((by) => Array.from({ length: USERS }, () => ({ by, id: randomUUID(), old: '' })))
    for (const user of users) user.old = forge({ sub: user.id, iat: seconds() - 60 })
    const bystanders = await Promise.all(nodes.map((node) => connect(node, forge({ sub: 'bystander', iat: seconds() - 60 }))))
    await Promise.all(users.map(async ({ by, id, old }) => {
      const sockets = await Promise.all(nodes.map((node) => connect(node, old)))
      const report = await by.command<{ closed: number, complete: boolean }>('revoke', { userId: id })
      t.match(report, { closed: nodes.length, complete: true })
      figures.revoked! += nodes.length
      const codes = await Promise.all(sockets.map(async ({ closed }) => await Promise.race([closed.then(({ code }) => code), setTimeout(1_000, 0)])))
      figures.leftOpen! += codes.filter((code) => code !== 4401).length
      for (const node of nodes) figures.letInAgain! += await refusal(dial(node, old)).then(({ statusCode }) => Number(statusCode !== 401), () => 1)
    }))
    // A token says in whole seconds when it was issued.
    const moment = seconds()
    await until(() => seconds() > moment)
    await Promise.all(users.flatMap(({ id }) => nodes.map(async (node) => {
      figures.refusedThoughGood! += await connect(node, forge({ sub: id, iat: seconds() })).then(() => 0, () => 1)
    })))
    t.ok(bystanders.every(({ socket }) => socket.readyState === socket.OPEN))
  })
  t.match(figures, { leftOpen: 0, letInAgain: 0, refusedThoughGood: 0 })
  await t.test('a token is valid until it expires, whatever the node\'s clock', async (t) => {
    for (const node of nodes) {
      t.match(await refusal(dial(node, forge({ sub: 'late', exp: seconds() - 2 }))), unauthorized)
      t.match(await refusal(dial(node, forge({ sub: 'early', nbf: seconds() + 100 }))), unauthorized)
      await connect(node, forge({ sub: 'early', nbf: seconds() - 1, exp: seconds() + 100 }))
    }
    const exp = seconds() + 2
    const brief = await Promise.all(nodes.map((node) => connect(node, forge({ sub: 'brief', exp }))))
    const ends = await Promise.all(brief.map(async ({ closed }) => ({ code: (await closed).code, lateMs: Date.now() - exp * 1_000 })))
    for (const { code, lateMs } of ends) t.ok(code === 4401 && lateMs > -100 && lateMs < 2_000, `${code}, ${lateMs} ms late`)
  })
  await t.test('a ticket of any node opens a socket on any other', async (t) => {
    const authorization = `Bearer ${forge({ sub: 'holder' })}`
    for (const node of nodes) {
      for (const other of nodes) {
        const answer = await fetch(`${node.origin}/ws/tickets`, { method: 'POST', headers: { authorization } })
        const { ticket, expires_at: expiresAt } = await answer.json() as { ticket: string, expires_at: number }
        t.ok(Math.abs(expiresAt - Date.now() - 30_000) < 1_000)
        await open(other, `?ticket=${ticket}`).opened()
      }
    }
  })
  return figures
})
