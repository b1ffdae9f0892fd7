import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { root } from '../fixtures/root.js'

const options: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  exactOptionalPropertyTypes: true,
  types: ['node'],
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  paths: {
    'fastify-ws-manager': [join(root, 'dist/lib/index.d.ts')],
    'fastify-ws-manager/contract': [join(root, 'dist/lib/contract/contract.d.ts')]
  }
}

t.test('an app with a contract is typed by it, and every wrong use is an error', (t) => {
  const program = ts.createProgram([join(root, 'test/contract/typed/app.ts')], options)
  const faults = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start!).line + 1
    return `${file?.fileName}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
  t.strictSame(faults, [])
  t.end()
})

t.test('a contract of 200 messages and 200 calls costs the compiler little', (t) => {
  const numbers = Array.from({ length: 200 }, (_, number) => number)
  const file = join(root, 'test/contract/typed/large.ts')
  const text = `
    import { Type } from '@sinclair/typebox'
    import type { FastifyInstance } from 'fastify'
    import 'fastify-ws-manager'
    import { defineContract } from 'fastify-ws-manager/contract'
    const contract = defineContract({
      messages: { ${numbers.map((number) => `'app.message${number}': Type.Object({ text: Type.String(), number: Type.Optional(Type.Literal(${number})) })`).join()} },
      calls: { ${numbers.map((number) => `'app.call${number}': { data: Type.Object({ text${number}: Type.String() }), reply: Type.Object({ at: Type.Literal(${number}) }) }`).join()} }
    })
    declare module 'fastify-ws-manager' { interface Register { contract: typeof contract } }
    export function serve ({ ws }: FastifyInstance): void {
      ${numbers.map((number) => `ws.handle('app.call${number}', async ({ text${number}: text }) => {
        await ws.broadcast({ type: 'app.message${number}', text })
        return { at: ${number} }
      })`).join('\n')}
    }`
  const host = ts.createCompilerHost(options)
  const { getSourceFile } = host
  host.getSourceFile = (name, ...rest) => name === file ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2023, true) : getSourceFile.call(host, name, ...rest)
  // Counts, unlike times, are the same on every machine.
  const program = ts.createProgram([file], options, host) as ts.Program & { getInstantiationCount: () => number }
  const startedAt = performance.now()
  t.strictSame(ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')), [])
  t.comment(`${program.getInstantiationCount()} instantiations, ${Math.round(performance.now() - startedAt)} ms`)
  t.ok(program.getInstantiationCount() < 250_000, `${program.getInstantiationCount()} instantiations`)
  t.end()
})
