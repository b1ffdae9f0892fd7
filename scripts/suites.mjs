/*
 * Combines the built tests of a folder into one suite that runs in one process: starting a process takes as long as most files
 * take to run. Each file can also run by itself: `npx tap dist/test/auth/jwt.test.js`.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const tests = fileURLToPath(new URL('../dist/test/', import.meta.url))
/** Folders whose files are suites of their own: each keeps servers busy until it ends. */
const SPLIT_FOLDERS = ['faults', 'operation']
/**
 * Files that are suites of their own: long ones, one that hides an installed package, one that runs its folder again (a process loads
 * each file only once), and one whose tests run concurrently, even with those of the next file.
 */
const SEPARATE_FILES = ['architecture.test.js', 'confirmations/due-times.test.js', 'engine/redis/ioredis-missing.test.js', 'routes/http2.test.js']
/** Files that have only a long form, for `npm run test:faults`, `test:upgrade`, `test:browsers` and `test:look`. */
const LONG_FILES = [
  'faults/sentinel.test.js', 'faults/limits.test.js', 'faults/clock-skew.test.js', 'upgrade/upgrade.test.js', 'browsers/smoke.test.js',
  'browser/look.test.js', 'client/elements/look.test.js'
]

const files = readdirSync(tests, { recursive: true }).filter((file) => file.endsWith('.test.js') && !LONG_FILES.includes(file)).sort()
const suites = new Map()
for (const file of files) {
  const folder = dirname(file)
  const name = SPLIT_FOLDERS.includes(folder) || SEPARATE_FILES.includes(file) ? file.replace('.test.js', '') : folder === '.' ? 'plugin' : folder
  suites.set(name, [...suites.get(name) ?? [], file])
}

mkdirSync(`${tests}suites`, { recursive: true })
for (const [name, files] of suites) {
  const names = files.map((file) => `'${file}'`)
  writeFileSync(`${tests}suites/${name.replaceAll('/', '-')}.js`, `import { runSuite } from '../fixtures/suite.js'\n\nawait runSuite([\n  ${names.join(',\n  ')}\n])\n`)
}
