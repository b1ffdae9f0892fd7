import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { normalizeOptions } from '../../lib/options.js'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { Checker } from '../fixtures/checker.js'
import { TestClient } from '../fixtures/client.js'
import { chatOf, connected, id, inChat, question, say, signIn, waitForPeople, watchConnection } from '../fixtures/example-page.js'
import { startNginx } from '../fixtures/nginx.js'
import { startExample, type ServerProcess } from '../fixtures/process.js'
import { callOf, Producers, publishOver, type Call } from '../fixtures/producers.js'
import { RedisServer } from '../fixtures/redis.js'
import { root } from '../fixtures/root.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'
import { WellBehavedClient } from '../fixtures/well-behaved-client.js'

const SECRET = 'the one secret of all nodes of this test'
const WINDOW_MS = 1_500
/** A message of the example app's contract, which allows what a run adds to it. */
const NUMBERED = 'demo.announcement'

const redis = await RedisServer.start(t)
const nodes = await Promise.all(Array.from({ length: 3 }, () => startExample(t, {
  REDIS_URL: `redis://127.0.0.1:${redis.port}`,
  JWT_SECRET: SECRET,
  TRUST_PROXY: 'loopback',
  DRAIN_WINDOW_MS: String(WINDOW_MS)
})))
const origins = nodes.map(({ origin }) => origin)
const origin = await startNginx(t, { nodes: origins })
const browser = await startBrowser(t)

const token = (sub: string, claims: object = {}) => forge({ sub, ...claims }, { secret: SECRET })
const admin = token('admin', { roles: ['ws:admin'] })
/** As an administrator, through nginx. */
const call = callOf([origin], admin)

/** A socket that is greeted. */
async function connect (user: string, { at = origin, ...socket }: { at?: string, localAddress?: string, headers?: Record<string, string> } = {}) {
  const client = await new TestClient(`${at.replace('http', 'ws')}/ws`, ['ws-manager.v1', `bearer.${token(user)}`], socket).opened()
  const { data } = await client.next('connection')
  return Object.assign(client, { id: data.client_id as string })
}

/** The node on which the page is in the chat, as soon as it is. */
async function nodeOfChat (): Promise<ServerProcess> {
  const running = nodes.filter(({ child }) => child.exitCode === null && child.signalCode === null)
  let found: ServerProcess | undefined
  await until(async () => {
    const answers = await Promise.all(running.map(({ origin }) => callOf([origin], admin)('GET', '/ws/channels')))
    found = running.find((_node, n) => (answers[n]!.channels as { channel: string }[]).some(({ channel }) => channel === 'chat'))
    return found !== undefined
  })
  return found!
}

t.test('nginx spreads sockets over the nodes, and messages sent by REST reach all of them', async (t) => {
  const clients = await Promise.all(Array.from({ length: 9 }, (_, n) => connect(`user-${n}`)))
  const status = await call('GET', '/ws/status?cluster=true') as { complete: boolean, nodes: { active_connections: number }[] }
  t.match(status, { complete: true, active_connections: 9 })
  t.ok(status.nodes.every(({ active_connections: count }) => count >= 2), 'the node with the fewest gets the next')
  for (let n = 0; n < 3; n++) await call('POST', '/ws/broadcast', { message: { type: NUMBERED, text: `message ${n}` } })
  await call('POST', '/ws/users/user-5/messages', { message: { type: 'chat.tabs', user_id: 'user-5', tabs: 1 } })
  for (const client of clients) {
    for (let n = 0; n < 3; n++) t.match(await client.next(NUMBERED), { text: `message ${n}` })
  }
  await clients[5]!.next('chat.tabs')
  await call('POST', `/ws/clients/${clients[7]!.id}/messages`, { message: { type: 'chat.message', text: 'hello', user_id: 'admin', sent_at: 1 } })
  await clients[7]!.next('chat.message')
  t.equal(clients.reduce((sum, client) => sum + client.count('chat.tabs') + client.count('chat.message'), 0), 2)
  await Promise.all(clients.map((client) => client.close()))
})

t.test('long polls at all nodes are answered as soon as the question is settled', async (t) => {
  const alice = await connect('alice')
  const asAlice = callOf([origin], token('alice'))
  await asAlice('POST', '/tasks')
  const { callback_id: asked } = await alice.next('task_step_result')
  const polls = nodes.map(() => asAlice('GET', `/ws/confirmations/${asked}?wait=20`))
  const begun = performance.now()
  await alice.request({ type: 'confirm', callback_id: asked, proceed: false })
  for (const poll of polls) t.match(await poll, { status: 'declined' })
  t.ok(performance.now() - begun < 10_000)
  await alice.close()
})

t.test('a page can follow and cancel a task, whichever node it is connected to', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'cleo')
  await page.click(id('start-task'))
  await page.waitForSelector(question)
  for (let reloads = 0; reloads < 4; reloads++) {
    await page.reload()
    await page.waitForSelector(`${id('task')}[data-status="running"]`)
    await page.waitForSelector(question)
  }
  await page.click('ws-task [part~="cancel"]')
  await page.waitForSelector(`${id('task')}[data-status="cancelled"]`)
  await page.waitForSelector(question, { state: 'detached' })
  await page.close()
  t.pass('by the socket, at any node')
})

t.test('behind nginx limits count the client\'s real address, not a forged one', async (t) => {
  const client = await connect('alice', { localAddress: '127.0.0.2', headers: { 'x-forwarded-for': '203.0.113.9' } })
  t.match(await call('GET', `/ws/clients/${client.id}`), { ip: '127.0.0.2' })
  await client.close()
})

t.test('idle sockets stay open beyond the default timeouts of nginx', async (t) => {
  const config = await readFile(join(root, 'example-app/nginx.conf'), 'utf8')
  const [, location] = /location = \/ws \{([^}]*)\}/.exec(config)!
  const { heartbeat } = normalizeOptions({})
  for (const name of ['proxy_read_timeout', 'proxy_send_timeout']) {
    const hours = Number(new RegExp(`${name} (\\d+)h;`).exec(location!)![1])
    t.ok(hours * 3_600_000 > Math.max(60_000, heartbeat.intervalMs + heartbeat.timeoutMs), name)
  }
  // The same with a second in place of the hour: it is these lines that nginx goes by.
  const hasty = await startNginx(t, { nodes: origins, change: (text) => text.replaceAll('1h;', '1s;') })
  const [lasting, cut] = [await connect('alice'), await connect('alice', { at: hasty })]
  t.equal((await cut.closed).code, 1006)
  await lasting.settled()
  await lasting.close()
})

t.test('killing one node and draining another under load neither loses nor duplicates messages', async (t) => {
  const page = await openPage(t, browser, origin)
  await signIn(page, 'ann')
  await inChat(page)
  const ben = await openPage(t, browser, origin)
  await signIn(ben, 'ben')
  await inChat(ben)
  await say(ben, 'hello')
  await page.waitForSelector('text="hello"')
  await waitForPeople(page, 'ann you', 'ben')
  await ben.close()
  await waitForPeople(page, 'ann you')

  const load = new Load(t)
  await load.start(60)

  const killed = await nodeOfChat()
  await Promise.all([page.waitForEvent('websocket'), once(killed.child, 'exit'), killed.child.kill('SIGKILL')])
  await Promise.all([connected(page), load.isComplete()])
  load.answers.clear()

  const drained = await nodeOfChat()
  const states = await watchConnection(page)
  const begun = performance.now()
  const gone = once(drained.child, 'exit').then((end) => ({ end, tookMs: performance.now() - begun }))
  await Promise.all([page.waitForEvent('websocket'), gone, drained.child.kill('SIGTERM')])
  const { end, tookMs } = await gone
  t.same(end, [0, null])
  t.ok(tookMs < 10_000, `the node was gone after ${Math.round(tookMs)} ms`)
  await Promise.all([inChat(page), load.isComplete()])
  t.strictSame(await states(), ['restarting', 'reconnecting', 'connected'])
  t.strictSame([...load.answers.keys()].sort(), ['GET 200', 'POST 200'], 'callers notice nothing of the drain')

  const returns = load.returns.map((at) => at - begun)
  const spread = Math.max(...returns) - Math.min(...returns)
  t.comment(`${returns.length} clients came back within ${Math.round(spread)} ms; the node was gone after ${Math.round(tookMs)} ms`)
  t.ok(returns.length >= 15)
  t.ok(spread > WINDOW_MS / 2 && Math.max(...returns) >= WINDOW_MS / 2, 'they did not come all at once')

  await load.enough()
  const { examples, ...report } = await load.end()
  t.comment(JSON.stringify(report))
  for (const example of examples) t.comment(example)
  t.match(report, { lost: 0, silentlyLost: 0, duplicated: 0, reordered: 0, falselyRecovered: 0, strays: 0 })
  t.ok(report.delivered > 2_000 && report.uncertain < 10, 'enough has happened')

  const { messages } = await callOf([origin], token('ann'))('GET', '/chat/messages') as { messages: { text: string }[] }
  await page.waitForSelector(`text="${messages.at(-1)!.text}"`)
  t.strictSame((await chatOf(page)).filter((line) => !line.startsWith('[')), messages.map(({ text }) => text))
  t.equal(await page.locator(id('recovery-notice')).isVisible(), false)
})

/** Clients that stay, and messages for all and for each of them, and in the chat; all through nginx. */
class Load {
  /** How often REST callers were answered how. */
  readonly answers = new Map<string, number>()
  /** When clients came back whom a node had said when to. */
  readonly returns: number[] = []
  readonly #checker = new Checker()
  readonly #publish = publishOver((...args) => this.#call(...args))
  readonly #producers = new Producers(this.#checker, (topic, message, options) => this.#publish(topic, { ...message, type: NUMBERED, text: 'numbered' }, options))
  readonly #clients: WellBehavedClient[] = []
  readonly #publishing: Promise<void>[] = []
  #isOver = false

  constructor (t: Test) {
    t.teardown(() => {
      this.#producers.end()
      this.#isOver = true
      for (const client of this.#clients) client.destroy()
    })
  }

  async start (clients: number): Promise<void> {
    for (let n = 0; n < clients; n++) {
      const client: WellBehavedClient = new WellBehavedClient(`user-${n % 10}`, {
        journal: this.#checker.journal(`client ${n}`), now: this.#checker.now, origin: () => origin, token, numbered: NUMBERED, onEnd: ({ afterMs }) => this.#return(client, afterMs)
      })
      this.#clients.push(client)
      client.connect()
    }
    await this.isComplete()
    this.#publishing.push(
      this.#repeat(5, () => this.#producers.publish('all', 'one')),
      this.#repeat(5, (n) => this.#producers.publish(`user:user-${n % 10}`, 'two')),
      this.#repeat(50, (n) => this.#call('POST', '/ws/call/chat.send', { text: `message ${n}` }).catch(() => {})),
      this.#repeat(5, () => this.#call('GET', '/ws/status')))
  }

  /** Resolves when every client is there. */
  async isComplete (): Promise<void> {
    await until(() => this.#clients.every((client) => client.isEntered))
  }

  /** Resolves when enough has been published to judge by, however fast the machine is. */
  async enough (): Promise<void> {
    await this.#producers.after(Math.max(0, 100 - this.#producers.published))
  }

  /** Everybody gets a last message; what is not there then does not come. */
  async end () {
    this.#producers.end()
    await Promise.all(this.#publishing)
    await this.isComplete()
    const topics = new Set(this.#clients.flatMap((client) => client.topics))
    const last = new Map(await Promise.all([...topics].map(async (topic) => [topic, await this.#producers.publish(topic, 'last')] as const)))
    await Promise.all(this.#clients.map((client) => client.until(() => client.topics.every((topic) => client.has(last.get(topic)!)))))
    this.#isOver = true
    return this.#checker.report()
  }

  /** A client comes back when its node has said, otherwise soon. */
  #return (client: WellBehavedClient, afterMs: number | null): void {
    setTimeout(() => {
      if (this.#isOver) return
      client.connect()
      if (afterMs !== null) this.returns.push(performance.now())
    }, afterMs ?? 50 + Math.random() * 200)
  }

  async #repeat (pauseMs: number, work: (n: number) => Promise<unknown>): Promise<void> {
    for (let n = 1; !this.#producers.isOver; n++) {
      await work(n)
      await sleep(pauseMs)
    }
  }

  /** Of a request that nginx had handed to a node which is gone, nobody knows what came of it. */
  readonly #call: Call = async (...args) => {
    const [method] = args
    let status = 200
    try {
      return await call(...args)
    } catch (error) {
      status = (error as { status?: number }).status ?? 0
      throw status === 502 ? new Error('no node has answered', { cause: error }) : error
    } finally {
      const answer = `${method} ${status}`
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
    }
  }
}
