import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { faultsOf, programOf } from '../fixtures/compiler.js'
import { root } from '../fixtures/root.js'

/** Names that the other blocks of TypeScript in the README use and do not declare. */
const SURROUNDINGS = `
import type { FastifyInstance } from 'fastify'
import { Type } from '@sinclair/typebox'
import 'fastify-ws-manager'
declare const app: FastifyInstance
declare const [text, clientId, userId, taskId, jti]: string[] & { [index: number]: string }
declare const [expiresAt, issuedBefore, x, y]: number[] & { [index: number]: number }
declare const message: { type: string }
declare const since: { epoch: string, offset: number }
declare const signal: AbortSignal
declare const onCursor: () => void
const Edit = Type.Object({ text: Type.String() })
const Cursor = Type.Object({ x: Type.Number(), y: Type.Number() })
`

/** Names that the blocks with a file name use and do not declare. */
const SURROUNDINGS_OF_FILES = `
import type { FastifyInstance } from 'fastify'
import type { WsPluginOptions } from 'fastify-ws-manager'
declare const app: FastifyInstance
declare const jwt: WsPluginOptions['jwt']
`

const readme = await readFile(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, block]) => block!)
/** Blocks that begin with their file's name; what such a file registers would type the others. */
const files = blocks.filter((block) => block.startsWith('// '))

t.test('the README\'s blocks of TypeScript compile under strict', (t) => {
  const others = blocks.filter((block) => !files.includes(block))
  t.ok(others.length >= 2)
  const functions = others.map((block, index) => `async function block${index} () {\n${block.replaceAll('{ … }', '{}')}\n}\nblock${index}()\n`)
  t.strictSame(faultsIn({ 'blocks.ts': `${SURROUNDINGS}${functions.join('\n')}` }), [])
  t.end()
})

t.test('so do its blocks that are files, together', (t) => {
  const sources = Object.fromEntries(files.map((block) => [/^\/\/ (\S+)/.exec(block)![1], block]))
  t.strictSame(Object.keys(sources), ['contract.ts', 'server.ts'])
  const server = `${SURROUNDINGS_OF_FILES}${sources['server.ts']}`
  t.strictSame(faultsIn({ ...sources, 'server.ts': server }), [])
  const [fault = ''] = faultsIn({ ...sources, 'server.ts': server.replace('sent_at: ', 'at: ') })
  t.match(fault, /sent_at/, 'they are typed by the contract')
  t.end()
})

/** Returns the faults of source files beside each other, each with the line where it is. */
function faultsIn (sources: Record<string, string>): string[] {
  const folder = join(root, 'test/docs')
  const texts = new Map(Object.entries(sources).map(([name, text]) => [join(folder, name), text]))
  return faultsOf(programOf([...texts.keys()], texts)).map(({ line, message }) => `${line}: ${message}`)
}
