import { Type } from '@sinclair/typebox'
import t from 'tap'
import { protocol, startApp } from '../fixtures/app.js'
import { amount, figure } from '../fixtures/attacks.js'
import { mutation } from '../fixtures/mutations.js'
import { random } from '../fixtures/random.js'
import { spoiled, valueAtLimits, type JsonSchema } from '../fixtures/values-at-limits.js'

const REQUESTS = amount({ short: 250, long: 10_000 })
const AT_ONCE = 8
const SEED = 471_823
const MOST_MS = 250
const PARAMETERS = ['admin', 'open-1', '%00', '%ed%a0%80', '%zz', '..%2f..', '__proto__', 'x'.repeat(90), '%F0%9F%98%80', '0']
const QUERIES = ['', '?wait=0', '?wait=x', '?limit=1', '?limit=-1', '?limit=1e9', '?after=x', '?after=%00', '?after=1:x', '?user_id=admin', '?status=pending', '?cluster=true', '?__proto__=1', '?a[b]=1', '?reason=' + 'x'.repeat(200)]

interface Route { method: string, url: string, body: JsonSchema | undefined }

for (const version of [1, 2] as const) {
  t.test(`no mutated request to any route causes a server error over HTTP/${version}`, { timeout: 600_000 }, async (t) => {
    const before = protocol.http
    protocol.http = version
    t.teardown(() => { protocol.http = before })
    const routes: Route[] = []
    const server = await startApp(t, { authorizeSubscribe: () => true }, {
      before: (app) => {
        app.addHook('onRoute', ({ method, url, schema }) => {
          routes.push(...[method].flat().map((name) => ({ method: name, url, body: schema?.body as JsonSchema | undefined })))
        })
      },
      after: ({ ws }) => {
        ws.handle('app.note', { schema: Type.Object({ name: Type.String({ pattern: '^([a-z]+ ?)+$', maxLength: 20 }) }), rest: true }, ({ name }) => name)
      }
    })
    const chance = random(SEED + version)
    const answers: Record<string, number> = {}
    const faults: string[] = []
    let left = REQUESTS
    let slowestMs = 0
    const bodyOf = ({ body = {} }: Route): string => {
      if (chance.chance(0.4)) return mutation(chance)
      const value = valueAtLimits(body, chance)
      return JSON.stringify(chance.chance(0.5) ? value : spoiled(value, chance)) ?? ''
    }
    const attack = async () => {
      while (left-- > 0) {
        const route = chance.pick(routes)
        const path = route.url.replace(/:\w+/g, () => chance.pick(PARAMETERS)) + chance.pick(QUERIES)
        const hasBody = route.method !== 'GET' && route.method !== 'HEAD'
        const body = hasBody ? bodyOf(route) : undefined
        // Node's client announces the length of a body for some methods only.
        const call = { as: chance.pick(['admin', 'admin', 'mallory', null]), body, ...body !== undefined && { headers: { 'content-length': String(Buffer.byteLength(body)) } } }
        const begun = process.cpuUsage()
        const { status } = await server.begin(route.method, path, call).answer
        const { user } = process.cpuUsage(begun)
        slowestMs = Math.max(slowestMs, user / 1_000 / AT_ONCE)
        answers[status] = (answers[status] ?? 0) + 1
        if (status >= 500) faults.push(`${status} ${route.method} ${path} ${JSON.stringify(call).slice(0, 200)}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, attack))
    t.same(faults, [])
    t.ok(answers[200]! > 0 && answers[400]! > 0 && answers[401]! > 0 && answers[403]! > 0, JSON.stringify(answers))
    t.notOk('polluted' in {}, 'prototypes are as they were')
    t.ok(slowestMs < MOST_MS, `a request took ${slowestMs.toFixed(1)} ms of the processor at the most`)
    t.match(await server.rest('GET', '/ws/health', { as: null }), { status: 200 })
    figure(t, 'rest mutations', `${REQUESTS} requests of ${routes.length} routes over HTTP/${version} (seed ${SEED}): 0 faults of the server; ${JSON.stringify(answers)}`)
  })
}
