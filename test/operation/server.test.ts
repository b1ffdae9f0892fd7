import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CLOSE_MS, readConfig } from '../../example-app/config.js'
import { developmentSecret } from '../../example-app/secret.js'
import { TestClient, type Frame } from '../fixtures/client.js'
import { startExample } from '../fixtures/process.js'
import { RedisServer } from '../fixtures/redis.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'

const JWT_SECRET = 'the secret of the nodes of these tests'

async function connect (origin: string, user: string, query = ''): Promise<TestClient> {
  const token = forge({ sub: user }, { secret: JWT_SECRET })
  const client = await new TestClient(`${origin.replace('http', 'ws')}/ws${query}`, ['ws-manager.v1', `bearer.${token}`]).opened()
  await client.next('connection')
  return client
}

async function startImport (origin: string, user: string): Promise<void> {
  const authorization = `Bearer ${forge({ sub: user }, { secret: JWT_SECRET })}`
  const { status } = await fetch(`${origin}/tasks`, { method: 'POST', headers: { authorization } })
  if (status !== 201) throw new Error(`no import: ${status}`)
}

const refuses = (origin: string) => fetch(origin).then(() => false, () => true)

t.test('on SIGTERM a node refuses new sockets, tells its clients when to reconnect, and exits with 0', async (t) => {
  const { port } = await RedisServer.start(t)
  const env = { JWT_SECRET, REDIS_URL: `redis://127.0.0.1:${port}`, DRAIN_WINDOW_MS: '1000' }
  const [{ origin, child }, other] = await Promise.all([startExample(t, env), startExample(t, env)])
  const client = await connect(origin, 'alice')
  // One that does not answer its close frame holds the node up for a moment.
  const silent = await connect(origin, 'bob')
  silent.socket.pause()
  await startImport(origin, 'alice')
  await client.next('task_step_result')

  const begun = performance.now()
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await until(() => refuses(origin))
  const { after_ms: afterMs } = await client.next('reconnect')
  t.ok(afterMs >= 0 && afterMs <= 1000)
  t.same(await client.closed, { code: 1012, reason: 'This node is closing' })
  t.same(await gone, [0, null])
  t.ok(performance.now() - begun < CLOSE_MS)

  const positions = Object.fromEntries(client.received[0]!.data.streams.map(({ topic, epoch, offset }: Frame) => [topic, { epoch, offset }]))
  const again = await connect(other.origin, 'alice', `?recover=${encodeURIComponent(JSON.stringify(positions))}`)
  t.match(await again.next('confirmation_closed'), { outcome: 'aborted' })
  t.match(await again.next('task_done'), { status: 'failed', error: /The server restarts/ }, 'its imports end with it, and say so')
})

t.test('on SIGINT a single node announces how its imports ended before it exits', async (t) => {
  const { origin, child } = await startExample(t, { JWT_SECRET })
  const client = await connect(origin, 'alice')
  await startImport(origin, 'alice')
  await client.next('task_step_result')
  const gone = once(child, 'exit')
  child.kill('SIGINT')
  t.same(await client.closed, { code: 1001, reason: 'The server is closing' })
  t.match(client.received.slice(-3), [
    { type: 'confirmation_closed', outcome: 'aborted' }, { type: 'task_done', status: 'failed' }, { type: 'reconnect' }
  ])
  t.same(await gone, [0, null])
})

t.test('a second signal ends a node at once', async (t) => {
  const { origin, child } = await startExample(t, { JWT_SECRET })
  const silent = await connect(origin, 'alice')
  silent.socket.pause()
  const begun = performance.now()
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await until(() => refuses(origin))
  child.kill('SIGTERM')
  t.same(await gone, [1, null])
  t.ok(performance.now() - begun < 2_500, 'without waiting for anybody')
})

t.test('in development a token stays valid across a restart without JWT_SECRET', async (t) => {
  const { origin, child } = await startExample(t)
  const login = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"username":"alice"}' }
  const { token } = await (await fetch(`${origin}/login`, login)).json() as { token: string }
  child.kill('SIGKILL')
  await once(child, 'exit')
  const who = async (env: NodeJS.ProcessEnv) => {
    const { origin } = await startExample(t, env)
    return (await fetch(`${origin}/me`, { headers: { authorization: `Bearer ${token}` } })).status
  }
  t.same(await Promise.all([who({}), who({ NODE_ENV: 'production' })]), [200, 401])
})

t.test('the development secret is created once, readable by its owner only, and not stored if that is impossible', async (t) => {
  const folder = t.testdir()
  const file = join(folder, '.secret')
  const secret = developmentSecret({}, file)
  t.match(secret, /^[\da-f]{64}$/)
  t.equal(developmentSecret({}, file), secret)
  t.same(readdirSync(folder), ['.secret'])
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.not(developmentSecret({ NODE_ENV: 'production' }, file), secret)
  const nowhere = join(folder, 'missing', '.secret')
  t.not(developmentSecret({}, nowhere), developmentSecret({}, nowhere))
})

t.test('an invalid environment variable of the example app is refused by name', async (t) => {
  t.match(readConfig({ PORT: '8080', HOST: '::1' }), { PORT: 8080, HOST: '::1', TOKEN_TTL_S: 28_800 })
  t.throws(() => readConfig({ PORT: 'http' }), /env\/PORT/)
  t.throws(() => readConfig({ JWT_SECRET: 'short' }), /env\/JWT_SECRET/)
  t.throws(() => readConfig({ REDIS_URL: 'localhost' }), /env\/REDIS_URL/)
  t.throws(() => readConfig({ REDIS_URL: 'redis://localhost' }), /JWT_SECRET is needed with REDIS_URL/)
})
