/*
 * Turns a build into the contents of the package, for `npm pack`: `node scripts/package-files.mjs [dist]`. Removes source maps and
 * declarations that no dependent can reach, writes the descriptions of options into their types, and adds the CommonJS entries.
 */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { entries as clientEntries } from './client-bundles.mjs'
import { writeCommonJsFaces } from './commonjs-faces.mjs'
import { reachableFrom } from './declarations.mjs'
import { writeOptionTypes } from './option-types.mjs'

const dist = resolve(process.argv[2] ?? fileURLToPath(new URL('../dist', import.meta.url)))
const SERVER = ['lib', 'routes', 'schemas']
const entries = ['lib/index', 'lib/engine/redis/redis', 'lib/contract/contract', ...clientEntries.map((entry) => `client/${entry}`)].map((name) => `${dist}/${name}`)

// The next build must write the files that are removed here again.
for (const folder of ['', '/client', '/client/react']) rmSync(`${dist}${folder}/.tsbuildinfo`, { force: true })
removeSourceMaps()
removeBundled()
await writeOptionTypes(dist, files('.d.ts'))
await writeCommonJsFaces(entries)
removeUnreachableDeclarations()
removeRows()

/**
 * Removes the server's source maps, which repeat all sources, and the comments that name them: bundlers warn of a missing map. Those of
 * the client stay, since a browser shows nothing else of it.
 */
function removeSourceMaps () {
  for (const file of files('.map', SERVER)) rmSync(file)
  for (const file of files('.js', SERVER)) {
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, '\n'))
  }
}

/** Removes the client's modules that are in its bundles. */
function removeBundled () {
  const bundles = new Set([...clientEntries.map((entry) => `${dist}/client/${entry}.js`), `${dist}/client/script.js`])
  for (const file of files('.js', ['client'])) {
    if (bundles.has(file) || basename(file).startsWith('chunk-')) continue
    rmSync(file)
    rmSync(`${file}.map`, { force: true })
  }
}

function removeUnreachableDeclarations () {
  const reachable = reachableFrom(entries.map((entry) => `${entry}.d.ts`))
  for (const file of files('.d.ts')) if (!reachable.has(file)) rmSync(file)
}

/** Removes references such as "(row A1)" to a document that dependents do not have. */
function removeRows () {
  for (const file of files('.d.ts')) writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/ \(rows? [A-Z]\d+(?:(?:,| and) [A-Z]\d+)*\)/g, ''))
}

function files (extension, folders = [...SERVER, 'client']) {
  return folders.flatMap((folder) => readdirSync(`${dist}/${folder}`, { recursive: true })
    .filter((name) => name.endsWith(extension)).map((name) => `${dist}/${folder}/${name}`))
}
