/*
 * A smoke run of the client and the example page in browsers other than Chromium: `npm run test:browsers`. What is missing is
 * installed where that is possible; where it is not, the run names it and fails.
 */
import { spawnSync } from 'node:child_process'

/** Programs of Debian, and what has them. */
const PROGRAMS = { 'firefox-esr': 'firefox-esr', WebKitWebDriver: 'webkit2gtk-driver', Xvfb: 'xvfb' }

const missing = () => Object.keys(PROGRAMS).filter((program) => run('which', [program], 'ignore') !== 0)

if (missing().length > 0) {
  const packages = missing().map((program) => PROGRAMS[program])
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages])
}
if (missing().length > 0) {
  console.error(`test:browsers could not run: ${missing().join(', ')} could not be installed. On Debian, as root: apt-get install ${missing().map((program) => PROGRAMS[program]).join(' ')}`)
  process.exit(1)
}
process.exitCode = run('npx', ['tap', '--disable-coverage', '--allow-incomplete-coverage', '--timeout=180', 'dist/test/browsers/smoke.test.js'])

/** Returns the exit code. */
function run (program, args, stdio = 'inherit') {
  return spawnSync(program, args, { stdio, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }).status ?? 1
}
