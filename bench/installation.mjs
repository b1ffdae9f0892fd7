import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('..', import.meta.url))

/** Installs what is missing, of the product and of the benchmark, and builds the product as it is now. */
export function prepare () {
  if (!existsSync(`${root}node_modules`)) run(process.execPath, ['scripts/setup.mjs'], root)
  run('npm', ['run', '--silent', 'build'], root)
  // No package that is used here needs an install script.
  if (!isComplete()) run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], here)
}

/** The version of an installed package. */
export function versionOf (name, directory = here) {
  return JSON.parse(readFileSync(`${directory}node_modules/${name}/package.json`, 'utf8')).version
}

export function versions () {
  const product = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
  const peers = ['socket.io', 'socket.io-client', 'centrifuge', '@socket.io/redis-adapter', '@socket.io/redis-streams-adapter', 'ioredis', 'ws', '@sinclair/typebox', 'typebox', '@fastify/websocket', 'fastify', 'bun'].map((name) => [name, versionOf(name)])
  return { [product.name]: product.version, node: process.versions.node, ...Object.fromEntries(peers) }
}

/** npm writes its own copy of the lock file last: one that is newer than ours says that the install is complete. */
function isComplete () {
  const installed = `${here}node_modules/.package-lock.json`
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${here}package-lock.json`).mtimeMs
}

function run (command, args, cwd) {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
}
