/*
 * Makes one suite of the built tests of a folder: a process for each folder, and not for each file, since to start one takes as
 * long as most files do. Each file still runs alone, too: `npx tap dist/test/auth/jwt.test.js`.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const tests = fileURLToPath(new URL('../dist/test/', import.meta.url))
/** Each of their files keeps servers busy until it ends. */
const FOLDERS_OF_FILES = ['faults', 'operation']
/**
 * Long ones; one that takes a package away, one that runs its folder once more, of which a process loads each file once, and one whose
 * tests run all at once, also beside those of the next file.
 */
const FILES_ALONE = ['architecture.test.js', 'confirmations/due-times.test.js', 'engine/redis/ioredis-missing.test.js', 'routes/http2.test.js']
/** They have nothing but long forms, for `npm run test:faults` and `npm run test:upgrade`. */
const LONG_FILES = ['faults/sentinel.test.js', 'faults/limits.test.js', 'faults/clock-skew.test.js', 'upgrade/upgrade.test.js']

const files = readdirSync(tests, { recursive: true }).filter((file) => file.endsWith('.test.js') && !LONG_FILES.includes(file)).sort()
const suites = new Map()
for (const file of files) {
  const folder = dirname(file)
  const name = FOLDERS_OF_FILES.includes(folder) || FILES_ALONE.includes(file) ? file.replace('.test.js', '') : folder === '.' ? 'plugin' : folder
  suites.set(name, [...suites.get(name) ?? [], file])
}

mkdirSync(`${tests}suites`, { recursive: true })
for (const [name, files] of suites) {
  const names = files.map((file) => `'${file}'`)
  writeFileSync(`${tests}suites/${name.replaceAll('/', '-')}.js`, `import { runSuite } from '../fixtures/suite.js'\n\nawait runSuite([\n  ${names.join(',\n  ')}\n])\n`)
}
