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
    'fastify-ws-manager/client/react': [join(root, 'dist/client/react/index.d.ts')]
  }
}

t.test('the hooks are typed by the contract, and every wrong use is an error', (t) => {
  const program = programOf([join(root, 'test/client/react/typed/app.ts')], new Map(), options)
  t.strictSame(faultsOf(program).map(({ file, number, message }) => `${file}:${number}: ${message}`), [])
  t.end()
})
