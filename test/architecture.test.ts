import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from './fixtures/root.js'

const run = promisify(execFile)

/** Files that each break one rule, by way of an import of a type or of a value. Of a circle one file is named. */
const broken: Record<string, [text: string, rule: string | null]> = {
  'schemas/broken.ts': ["import type { User } from '../lib/user.js'\nexport type Broken = User", 'schemas imports from below'],
  'lib/broken.ts': ["export type Broken = import('./telemetry/counters.js').Counters", 'ground floor imports from below'],
  'lib/engine/broken.ts': ["export { Connection } from '../socket/connection.js'", 'engine imports from below'],
  'lib/streams/broken.ts': ["import type { Tasks } from '../tasks/tasks.js'\nexport type Broken = Tasks", 'streams imports from below'],
  'lib/sessions/broken.ts': ["import { tags } from '../../routes/answers.js'\nexport const broken = tags", 'sessions imports from below'],
  'lib/tasks/broken.ts': ["import { MemoryEngine } from '../engine/memory/engine.js'\nexport const Broken = MemoryEngine", 'only plugin.ts names a concrete engine'],
  'routes/broken.ts': ["import type { WebSocket } from 'ws'\nexport type Broken = WebSocket", 'only the WebSocket transport and what builds it know WebSockets'],
  'lib/socket/broken.ts': ["import { plainFrames } from './websocket-encoding.js'\nexport const broken = plainFrames", 'only the WebSocket transport and what builds it know WebSockets'],
  'client/broken.ts': ["import { WsManager } from '../lib/manager.js'\nexport const broken = WsManager", 'the client takes values only from schemas/codes.ts'],
  'client/elements/broken.ts': ["export { serverFrameTypes } from '../../schemas/frames/types.js'", 'the client takes values only from schemas/codes.ts'],
  'client/broken-parts.ts': ["import { tabs } from './tabs/index.js'\nexport const broken = tabs", 'the client itself does not load its parts'],
  'client/tabs/broken.ts': ["import { Type } from '@sinclair/typebox'\nexport const broken = Type", 'the client has no dependency but React, in its hooks'],
  'lib/broken-client.ts': ["import type { WsClient } from '../client/client.js'\nexport type Broken = WsClient", 'ground floor imports from below'],
  'lib/cluster/broken.ts': ["import type { Other } from './broken-other.js'\nexport interface Broken { other: Other }", null],
  'lib/cluster/broken-other.ts': ["import type { Broken } from './broken.js'\nexport interface Other { broken: Broken }", 'no circle of files'],
  'lib/auth/broken.ts': ["import { nothing } from './nowhere.js'\nexport const broken = nothing", 'every import is found']
}

interface Violation { from: string, rule: { name: string } }
interface Module { source: string, dependencies: { resolved: string }[] }
interface Cruised { modules: Module[], summary: { violations: Violation[] } }

t.test('the sources keep the order of the folders, and files that break a rule are found', async (t) => {
  const copy = await mkdtemp(join(tmpdir(), 'wsm-architecture-'))
  t.teardown(() => rm(copy, { recursive: true, force: true }))
  for (const part of ['client', 'lib', 'routes', 'schemas', 'tsconfig.json', '.dependency-cruiser.mjs', 'package.json']) await cp(join(root, part), join(copy, part), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const [file, [text]] of Object.entries(broken)) await writeFile(join(copy, file), text)
  const cruise = run(process.execPath, [
    join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'), '--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'client', 'lib', 'routes', 'schemas'
  ], { cwd: copy, maxBuffer: 1e9 })
  const output = await cruise.catch(({ stdout }) => ({ stdout })) as { stdout: string }
  const { modules, summary: { violations } } = JSON.parse(output.stdout) as Cruised
  const found = violations.map(({ from, rule }) => `${from}: ${rule.name}`).sort()
  t.strictSame(found, Object.entries(broken).flatMap(([file, [, rule]]) => rule === null ? [] : [`${file}: ${rule}`]).sort())

  await t.test('docs/architecture.svg shows the imports between the folders', async (t) => {
    const { toDot } = await import(join(root, 'scripts/architecture.mjs')) as { toDot: (modules: Module[]) => string }
    const dot = await readFile(join(root, 'docs/architecture.dot'), 'utf8')
    t.equal(dot, toDot(modules.filter(({ source }) => !Object.hasOwn(broken, source))), 'npm run docs:architecture draws it anew')
    const svg = await readFile(join(root, 'docs/architecture.svg'), 'utf8')
    const drawn = [...svg.matchAll(/<title>(.*?)<\/title>/g)].map(([, title]) => title!.replaceAll('&#45;', '-').replaceAll('&gt;', '>')).sort()
    const boxes = [...dot.matchAll(/^ {2}"([^"]+)" \[/gm)].map(([, name]) => name!)
    const arrows = [...dot.matchAll(/^ {2}"([^"]+)" -> "([^"]+)"$/gm)].map(([, from, to]) => `${from}->${to}`)
    t.strictSame(drawn, ['architecture', ...boxes, ...arrows].sort())
    const texts = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!).sort()
    const lines = [...dot.matchAll(/<b>([^<]*)<\/b><br\/><font[^>]*>(.*?)<\/font>/g)].flatMap(([, name, list]) => [name!, ...list!.split('<br/>')])
    t.strictSame(texts, lines.sort())
  })
})
