import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { appOptions, faultsOf, programOf } from '../fixtures/compiler.js'
import { root } from '../fixtures/root.js'

const options = {
  ...appOptions,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
  paths: {
    ...appOptions.paths,
    'fastify-ws-manager/client': [join(root, 'dist/client/index.d.ts')],
    'fastify-ws-manager/client/react': [join(root, 'dist/client/react/index.d.ts')],
    'fastify-ws-manager/client/elements': [join(root, 'dist/client/elements/index.d.ts')]
  }
}

t.test('hooks and elements are typed by the contract, and every wrong use is an error', (t) => {
  const files = ['react/typed/app.ts', 'elements/typed/page.ts'].map((name) => join(root, 'test/client', name))
  const program = programOf(files, new Map(), options)
  t.strictSame(faultsOf(program).map(({ file, number, message }) => `${file}:${number}: ${message}`), [])
  t.end()
})

t.test('each custom element compiles first, as it does where it alone has changed', (t) => {
  const { config } = ts.readConfigFile(join(root, 'client/tsconfig.json'), ts.sys.readFile)
  const { fileNames, options, projectReferences } = ts.parseJsonConfigFileContent(config, ts.sys, join(root, 'client'))
  for (const name of ['ws-confirmations', 'ws-fragment', 'ws-task']) {
    const program = programOf(fileNames, new Map(), { ...options, noEmit: true }, projectReferences)
    const faults = program.getSemanticDiagnostics(program.getSourceFile(join(root, `client/elements/${name}.ts`)))
    t.strictSame(faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')), [], name)
  }
  t.end()
})
