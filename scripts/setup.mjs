/*
 * Installs whatever is missing: the packages of package-lock.json, and with --tests also the clients and servers that the tests
 * run, and tap with the plugins of .taprc. With --start it installs only the packages of the example app, and builds if a source
 * has changed. Quick if nothing is missing.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const exampleApp = `${root}example-app/`
const packages = `${root}node_modules`
const buildInfo = `${root}dist/.tsbuildinfo`
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < 20 || (major === 20 && minor < 19)) fail(`Node.js 20.19 or newer is needed; this is ${process.version}.`)
if (process.argv.includes('--start')) {
  installExampleApp()
  if (!isBuilt()) build()
} else if (isLinked() || !arePackagesInstalled(root)) {
  if (isLinked()) rmSync(packages)
  install(root)
}
if (process.argv.includes('--tests')) {
  installClients()
  if (!isTapBuilt()) run('npx', ['tap', 'build'])
}

/** Returns true if an install is complete and current: npm writes its own copy of the lock file last. */
function arePackagesInstalled (folder) {
  const installed = `${folder}node_modules/.package-lock.json`
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${folder}package-lock.json`).mtimeMs
}

/** Installs the packages of the example app, unless a development install includes them, and links them for the plugin's code. */
function installExampleApp () {
  if (existsSync(packages) && !isLinked()) {
    if (!arePackagesInstalled(root)) install(root)
    return
  }
  if (!arePackagesInstalled(exampleApp)) install(exampleApp)
  if (!isLinked()) symlinkSync(`${exampleApp}node_modules`, packages, 'junction')
}

/** Returns true if the build is current. The compiler would take longer to find that out than the app takes to start. */
function isBuilt () {
  if (![buildInfo, `${root}dist/client/script.js`, `${root}dist/example-app/server.js`].every((file) => existsSync(file))) return false
  const { mtimeMs } = statSync(buildInfo)
  const folders = ['lib', 'routes', 'schemas', 'client', 'example-app']
  const sources = folders.flatMap((folder) => readdirSync(`${root}${folder}`, { recursive: folder !== 'example-app' }).filter((name) => name.endsWith('.ts')).map((name) => `${folder}/${name}`))
  return [...sources, 'scripts/client-bundles.mjs', 'tsconfig.json', 'example-app/tsconfig.json', 'package-lock.json', 'example-app/package-lock.json'].every((file) => statSync(`${root}${file}`).mtimeMs <= mtimeMs)
}

function build () {
  run(process.execPath, [`${packages}/typescript/bin/tsc`, '-b', 'example-app', 'client'])
  run(process.execPath, [`${root}scripts/client-bundles.mjs`])
  // The compiler does not touch it if only modification times have changed.
  utimesSync(buildInfo, new Date(), new Date())
}

function isLinked () {
  return lstatSync(packages, { throwIfNoEntry: false })?.isSymbolicLink() === true
}

function install (folder) {
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], folder)
}

/** Returns true if tap was rebuilt with the plugins of .taprc: the installed build has one more. */
function isTapBuilt () {
  return !readFileSync(`${root}node_modules/@tapjs/test/test-built/dist/esm/index.js`, 'utf8').includes('@tapjs/typescript')
}

function installClients () {
  const missing = [
    ...succeeds('which', ['chromium']) ? [] : ['chromium'],
    ...succeeds('which', ['redis-server']) ? [] : ['redis-server'],
    ...succeeds('which', ['redis-sentinel']) ? [] : ['redis-sentinel'],
    ...succeeds('which', ['faketime']) ? [] : ['faketime'],
    // In /usr/sbin, which only root has on the PATH.
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

function run (command, args, cwd = root) {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
}

function fail (message) {
  console.error(message)
  process.exit(1)
}
