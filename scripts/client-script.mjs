/*
 * Bundles the client for pages without modules: `dist/client/script.js` with its source map. Its text is also written into a module for
 * the route `client.js`, so that a server in a bundle needs no file.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const { name, version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

await build({
  absWorkingDir: root,
  entryPoints: ['client/script/index.ts'],
  outfile: 'dist/client/script.js',
  bundle: true,
  format: 'iife',
  // As the modules are compiled; older browsers would need a larger script.
  target: 'es2022',
  minify: true,
  sourcemap: true,
  banner: { js: `/* ${name} ${version} */` },
  logLevel: 'warning'
})
const text = readFileSync(`${root}dist/client/script.js`, 'utf8').replace(/\/\/# sourceMappingURL=.*\s*$/, '')
mkdirSync(`${root}dist/routes`, { recursive: true })
writeFileSync(`${root}dist/routes/client-script-text.js`, `export const text = ${JSON.stringify(text)}\n`)
