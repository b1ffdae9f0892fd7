import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { root } from '../fixtures/root.js'

/** What the README's blocks of TypeScript use and do not declare. */
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

/** What its blocks that are files of their own use and do not declare. */
const SURROUNDINGS_OF_FILES = `
import type { FastifyInstance } from 'fastify'
import type { WsPluginOptions } from 'fastify-ws-manager'
declare const app: FastifyInstance
declare const jwt: WsPluginOptions['jwt']
`

const options: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: false,
  types: ['node'],
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  paths: {
    'fastify-ws-manager': [join(root, 'dist/lib/index.d.ts')],
    'fastify-ws-manager/contract': [join(root, 'dist/lib/contract/contract.d.ts')]
  }
}

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
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.getSourceFile = (name, ...rest) => {
    const text = texts.get(name)
    return text === undefined ? getSourceFile.call(host, name, ...rest) : ts.createSourceFile(name, text, ts.ScriptTarget.ES2023, true)
  }
  host.fileExists = (name) => texts.has(name) || fileExists.call(host, name)
  return ts.getPreEmitDiagnostics(ts.createProgram([...texts.keys()], options, host)).map(({ file, start, messageText }) => {
    const line = file === undefined ? '' : file.text.split('\n')[file.getLineAndCharacterOfPosition(start!).line]
    return `${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}
