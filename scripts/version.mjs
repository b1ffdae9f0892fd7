/* Writes the version of package.json into lib/version.ts, as part of `npm version`. */
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../lib/version.ts', import.meta.url)
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
writeFileSync(file, readFileSync(file, 'utf8').replace(/'[^']*'\n$/, `'${version}'\n`))
