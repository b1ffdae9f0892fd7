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
