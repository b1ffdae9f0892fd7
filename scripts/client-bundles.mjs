/*
 * Bundles the client, in place of what the compiler has written of its entries: each with what it shares with the others, and all of it
 * as one classic script, `dist/client/script.js`, for pages without modules. The text of that is also written into a module for the
 * route `client.js`, so that a server in a bundle needs no file.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const { name, version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

/**
 * Members that only the client itself uses. Bundlers do not shorten names of members, since they cannot know who uses them; here it is known.
 * None of these may be a name of the API, of a frame, or of something that browsers or Node.js have.
 */
export const INTERNAL = [
  'arrived', 'awake', 'backoff', 'base', 'begin', 'common', 'conclude', 'core', 'emit', 'entered', 'fail', 'forget', 'fulfil', 'greeted', 'holdFor',
  'interrupted', 'isAsked', 'isGreeted', 'isIn', 'isRepeatable', 'isSame', 'isUnderWay', 'lastDetail', 'memberships', 'openSocket', 'outgoing', 'parts', 'pick',
  'positions', 'presenceChanged', 'reach', 'recall', 'receive', 'receivers', 'reconnected', 'record', 'refused', 'requests', 'saveSoon', 'sentAt', 'settle',
  'shown', 'snapshot', 'tell', 'timer', 'transmit', 'wasIn', 'wire'
]

/** Options of all bundles. */
export const options = {
  absWorkingDir: root,
  bundle: true,
  // As the modules are compiled; older browsers would need larger ones.
  target: 'es2022',
  mangleProps: new RegExp(`^(${INTERNAL.join('|')})$`),
  sourcemap: true,
  logLevel: 'warning'
}

/** The entries of the package, without the folder and the extension. */
export const entries = ['index', 'react/index', 'elements/index', 'tabs/index', 'testing']

async function writeModules () {
  const folder = `${root}dist/client`
  mkdirSync(folder, { recursive: true })
  for (const file of readdirSync(folder)) if (file.startsWith('chunk-')) rmSync(`${folder}/${file}`)
  await build({
    ...options,
    entryPoints: entries.map((entry) => `client/${entry}.ts`),
    outdir: folder,
    outbase: 'client',
    format: 'esm',
    splitting: true,
    packages: 'external'
  })
}

async function writeScript () {
  await build({
    ...options,
    entryPoints: ['client/script/index.ts'],
    outfile: 'dist/client/script.js',
    format: 'iife',
    minify: true,
    banner: { js: `/* ${name} ${version} */` }
  })
  const text = readFileSync(`${root}dist/client/script.js`, 'utf8').replace(/\/\/# sourceMappingURL=.*\s*$/, '')
  mkdirSync(`${root}dist/routes`, { recursive: true })
  writeFileSync(`${root}dist/routes/client-script-text.js`, `export const text = ${JSON.stringify(text)}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await Promise.all([writeModules(), writeScript()])
