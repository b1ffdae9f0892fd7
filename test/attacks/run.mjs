/*
 * The attacks of `npm test`, longer, one after the other: `npm run test:attacks -- [--only name]`, a name being that of a file
 * beside this one. Ends with a table of what was measured.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: { only } } = parseArgs({ options: { only: { type: 'string' } } })
const folder = fileURLToPath(new URL('.', import.meta.url))
const names = (await readdir(folder)).filter((file) => file.endsWith('.test.ts')).map((file) => file.replace('.test.ts', ''))
const chosen = only === undefined ? names : names.filter((name) => name === only)
if (chosen.length === 0) {
  console.error(`There is no attack "${only}"; there are ${names.join(', ')}.`)
  process.exit(1)
}

const scratch = await mkdtemp(join(tmpdir(), 'attacks-'))
const figures = join(scratch, 'figures')
await writeFile(figures, '')
const tap = spawn('npx', [
  'tap', '--jobs=1', '--timeout=1800', '--disable-coverage', '--allow-incomplete-coverage', '--reporter=terse', ...chosen.map((name) => `dist/test/attacks/${name}.test.js`)
], { stdio: 'inherit', env: { ...process.env, ATTACKS_FIGURES: figures } })
const [code] = await once(tap, 'exit')
console.log('\n| attack | measured |\n|---|---|')
for (const line of (await readFile(figures, 'utf8')).trim().split('\n').filter(Boolean)) {
  const { attack, measured } = JSON.parse(line)
  console.log(`| \`${attack}\` | ${measured} |`)
}
await rm(scratch, { recursive: true })
process.exitCode = code ?? 1
