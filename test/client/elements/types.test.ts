import { join } from 'node:path'
import t from 'tap'
import { appOptions, faultsOf, programOf } from '../../fixtures/compiler.js'
import { root } from '../../fixtures/root.js'

const options = {
  ...appOptions,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
  paths: {
    ...appOptions.paths,
    'fastify-ws-manager/client': [join(root, 'dist/client/index.d.ts')],
    'fastify-ws-manager/client/elements': [join(root, 'dist/client/elements/index.d.ts')]
  }
}

t.test('the elements take the client of any contract, and wrong options are errors', (t) => {
  const program = programOf([join(root, 'test/client/elements/typed/page.ts')], new Map(), options)
  t.strictSame(faultsOf(program).map(({ file, number, message }) => `${file}:${number}: ${message}`), [])
  t.end()
})
