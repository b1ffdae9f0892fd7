/*
 * `npm run size`: what the client adds to a page, beside the clients that one would otherwise take. Each is bundled for browsers and
 * minified by esbuild: ours with everything that it exports, the others with what connects.
 */
import { fileURLToPath } from 'node:url'
import { MAX_BYTES, sizeOf } from '../scripts/client-size.mjs'
import { prepare, versionOf } from './installation.mjs'
import { OURS } from './peers/index.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))

prepare()
const rows = [
  [`${OURS}/client`, await sizeOf('./dist/client/index.js')],
  ...await Promise.all(['tabs', 'react', 'elements'].map(async (part) => [`${OURS}/client/${part}`, await sizeOf(`./dist/client/${part}/index.js`)])),
  ...await Promise.all([['socket.io-client', '{ io }'], ['centrifuge', '{ Centrifuge }']].map(async ([name, exported]) => [`${name} ${versionOf(name)}`, await sizeOf(name, here, exported)]))
]
const [[, own]] = rows
console.log(['', 'minified', 'gzip', 'brotli', 'gzip, ratio'].map(cell).join(''))
for (const [name, { minified, gzip, brotli }] of rows) console.log([name, minified, gzip, brotli, (gzip / own.gzip).toFixed(2)].map(cell).join(''))
console.log(`\nThe client's bound is ${MAX_BYTES} bytes of gzip: ${own.gzip <= MAX_BYTES ? 'met' : 'NOT met'}. React and elements import parts of it, which are counted again.`)
process.exitCode = own.gzip <= MAX_BYTES ? 0 : 1

function cell (value, column) {
  return column === 0 ? value.padEnd(34) : String(value).padStart(13)
}
