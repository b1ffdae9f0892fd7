/*
 * Installs what is missing and nothing else: the packages of package-lock.json, and with --tests the programs that the
 * tests run as real clients and servers, and tap as .taprc wants it. Quick when everything is there.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < 20 || (major === 20 && minor < 19)) fail(`Node.js 20.19 or newer is needed; this is ${process.version}.`)
if (!arePackagesInstalled()) run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
if (process.argv.includes('--tests')) {
  installClients()
  if (!isTapBuilt()) run('npx', ['tap', 'build'])
}

/** npm writes its own copy of the lock file last: one that is newer than ours says that the install is complete. */
function arePackagesInstalled () {
  const installed = `${root}node_modules/.package-lock.json`
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${root}package-lock.json`).mtimeMs
}

/** Tap compiles itself with its plugins into its own package; as it is installed it has the one that .taprc leaves out. */
function isTapBuilt () {
  return !readFileSync(`${root}node_modules/@tapjs/test/test-built/dist/esm/index.js`, 'utf8').includes('@tapjs/typescript')
}

function installClients () {
  const missing = [
    ...succeeds('which', ['chromium']) ? [] : ['chromium'],
    ...succeeds('which', ['redis-server']) ? [] : ['redis-server'],
    ...succeeds('which', ['redis-sentinel']) ? [] : ['redis-sentinel'],
    ...succeeds('which', ['faketime']) ? [] : ['faketime'],
    // Of root's PATH alone.
    ...succeeds('which', ['nginx']) || existsSync('/usr/sbin/nginx') ? [] : ['nginx-light'],
    ...succeeds('/usr/bin/python3', ['-c', 'import websockets']) ? [] : ['python3-websockets']
  ]
  if (missing.length === 0) return
  if (!succeeds('which', ['apt-get']) || process.getuid() !== 0) {
    fail(`The tests need "chromium", "redis-server", "redis-sentinel", "faketime" and "nginx" on the PATH and Python's "websockets" for /usr/bin/python3. On Debian, as root: apt-get install ${missing.join(' ')}`)
  }
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing])
}

function succeeds (command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function run (command, args) {
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
}

function fail (message) {
  console.error(message)
  process.exit(1)
}
