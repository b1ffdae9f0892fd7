import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { root } from '../fixtures/root.js'

/** What the README's blocks of TypeScript use and do not declare. */
const SURROUNDINGS = `
import type { FastifyInstance } from 'fastify'
import { Type } from '@sinclair/typebox'
import '../dist/lib/index.js'
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

t.test('the README\'s blocks of TypeScript compile under strict', async (t) => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, block]) => block!)
  t.ok(blocks.length >= 2)
  const functions = blocks.map((block, index) => `async function block${index} () {\n${block.replaceAll('{ … }', '{}')}\n}\nblock${index}()\n`)
  const file = join(root, 'test', 'readme-blocks.mts')
  const source = `${SURROUNDINGS}${functions.join('\n')}`
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: false,
    types: ['node'],
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.getSourceFile = (name, ...rest) => name === file ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2023, true) : getSourceFile.call(host, name, ...rest)
  host.fileExists = (name) => name === file || fileExists.call(host, name)
  const faults = ts.getPreEmitDiagnostics(ts.createProgram([file], options, host)).map((fault) => {
    const line = fault.file === undefined ? 0 : fault.file.getLineAndCharacterOfPosition(fault.start!).line
    return `${fault.file?.fileName === file ? source.split('\n')[line] : fault.file?.fileName}: ${ts.flattenDiagnosticMessageText(fault.messageText, ' ')}`
  })
  t.strictSame(faults, [])
})
