import { existsSync } from 'node:fs'
import t from 'tap'
import { compile, filesIn, violationsIn, type Samples } from './fixtures/import-rules.js'

/** Each is a file that breaks one rule, and what is found in it. */
const bad: [rule: string, file: string, text: string, found: string[]][] = [
  ['schemas imports nothing of ours', 'schemas/sample.ts', "import { isOurs } from '../lib/errors.js'\nisOurs(1)", ['1 imports lib/errors']],
  ['not even a type', 'schemas/sample.ts', "\nimport type { User } from '../lib/user.js'\nexport type A = User", ['2 imports lib/auth/user']],
  ['lib imports nothing of routes', 'lib/topics/sample.ts', "import { tags } from '../../routes/answers.js'\ntags.at(0)", ['1 imports routes/answers']],
  ['by no way of importing', 'lib/topics/sample.ts', `
    export * from '../../routes/answers.js'
    export type A = import('../../routes/access.js').Access
    const lazy = await import('../../routes/index.js')
    const old = require('../../routes/status.js')
    import type { Scope } from '../../routes/context.js'
    import '../../routes/nowhere.js'`,
  ['2 imports routes/answers', '3 imports routes/access', '4 imports routes/index', '5 imports routes/status', '6 imports routes/context', '7 imports routes/nowhere']],
  ['only the plugin names a concrete engine', 'lib/manager-sample.ts', "import { MemoryEngine } from './engine/memory/engine.js'\nimport { ExpiringMap } from './engine/expiring-map.js'\nimport type { Engine } from './engine/engine.js'", ['1 names a concrete engine, lib/engine/memory/engine']],
  ['nor does a route, nor one that comes later', 'routes/sample.ts', "import type { RedisEngine } from '../lib/engine/redis/redis.js'", ['1 names a concrete engine, lib/engine/redis/redis']],
  ['client imports from schemas only', 'client/sample.ts', "import type { User } from '../lib/user.js'\nexport type A = User", ['1 imports lib/auth/user']],
  ['and types only', 'client/sample.ts', "import { errorCodes } from '../schemas/codes.js'\nimport { type Answer, Outcome } from '../schemas/records.js'\nimport '../schemas/fields.js'",
    ['1 imports a value of schemas/error-codes', '2 imports a value of schemas/records', '3 imports a value of schemas/fields']],
  ['only lib/protocol uses JSON', 'lib/topics/sample.ts', "JSON.parse('1')\nconst { stringify } = JSON\nglobalThis.JSON.parse('2')\n[1].map(JSON.stringify)", ['1 uses JSON', '2 uses JSON', '3 uses JSON', '4 uses JSON']],
  ['nor does a route', 'routes/sample.ts', 'export const key = JSON.stringify([1])', ['1 uses JSON']],
  ['only lib/connection touches a WebSocket', 'lib/topics/sample.ts', "import type { WebSocket } from 'ws'\nexport function send (socket: WebSocket) {\n  socket.send('x')\n  return socket['readyState']\n}",
    ['3 touches a WebSocket', '4 touches a WebSocket']],
  ['nor where it hides behind another name', 'routes/sample.ts', `
    import type { FastifyInstance } from 'fastify'
    import '@fastify/websocket'
    export function route (app: FastifyInstance, maybe: import('ws').WebSocket | undefined) {
      app.get('/', { websocket: true }, (connection) => { connection.close() })
      app.websocketServer.clients.forEach((each) => each.terminate())
      return maybe?.protocol
    }`, ['5 touches a WebSocket', '6 touches a WebSocket', '7 touches a WebSocket']]
]

/** Each looks like a violation and is none. */
const good: [why: string, file: string, text: string][] = [
  ['an engine names its own parts', 'lib/engine/redis/sample.ts', "import { MemoryEngine } from '../memory.js'\nnew MemoryEngine(1)"],
  ['a client imports types', 'client/sample.ts', "import type { Answer } from '../schemas/records.js'\nimport { type Outcome } from '../schemas/records.js'\nexport type A = Answer | Outcome"],
  ['something else is called JSON', 'lib/topics/sample.ts', "export const a = { JSON: 1 }.JSON\nexport function b (JSON: { parse: () => 1 }) { return JSON.parse() }\n// JSON.parse('1')\nexport const c = 'JSON.parse'"],
  ['a package may be called like a folder of ours', 'schemas/sample.ts', "import { Type } from '@sinclair/typebox'\nimport { join } from 'node:path'\nexport const a = Type.Literal(join('lib', 'routes'))"],
  ['something else is called WebSocket', 'lib/topics/sample.ts', 'interface WebSocket { send: () => void }\nexport const a = (socket: WebSocket) => socket.send()']
]

// All in one compilation, each under a name of its own.
const samples: Samples = {}
const name = (file: string, index: number) => file.replace('.ts', `-${index}.ts`)
for (const [index, [, file, text]] of [...bad, ...good].entries()) samples[name(file, index)] = text
const program = compile(samples)
const violations = violationsIn(program)
const isSample = (violation: string) => violation.split(':')[0]! in samples

t.test('the sources keep the rules', (t) => {
  const files = filesIn(program).filter((file) => !(file in samples))
  for (const folder of ['lib/', 'routes/', 'schemas/']) t.ok(files.some((file) => file.startsWith(folder)), `${folder} was read`)
  t.equal(files.some((file) => file.startsWith('client/')), existsSync('client'), 'and client, where there is one')
  t.strictSame(violations.filter((violation) => !isSample(violation)), [])
  t.end()
})

for (const [index, [rule, file, , found]] of bad.entries()) {
  t.test(`a violation is found: ${rule}`, (t) => {
    const sample = name(file, index)
    t.strictSame(violations.filter((violation) => violation.startsWith(`${sample}:`)), found.map((what) => `${sample}:${what}`))
    t.end()
  })
}

for (const [index, [why, file]] of good.entries()) {
  t.test(`no violation is found: ${why}`, (t) => {
    const sample = name(file, bad.length + index)
    t.ok(filesIn(program).includes(sample))
    t.strictSame(violations.filter((violation) => violation.startsWith(`${sample}:`)), [])
    t.end()
  })
}
