import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Builds a commit of the product in a temporary folder, which goes with this process. Git's own files are not touched.
 *
 * @param {string} revision as git takes it
 * @returns {{ name: string, directory: string }} the short name of the commit, and the folder that has its `dist`
 * @throws Error where there is no such commit, or it cannot be built
 */
export function buildCommit (revision) {
  const name = nameOf(revision)
  const directory = mkdtempSync(join(tmpdir(), `fastify-ws-manager-${name}-`))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  console.log(`Builds ${name} in ${directory}`)
  execFileSync('tar', ['-x', '-C', directory], { input: git(['archive', '--format=tar', name]) })
  if (hasSamePackages(directory)) symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  else run(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], directory)
  run(['run', '--silent', 'build'], directory)
  return { name, directory }
}

function nameOf (revision) {
  try {
    return git(['rev-parse', '--verify', '--quiet', '--short', '--end-of-options', `${revision}^{commit}`]).toString().trim()
  } catch {
    throw new Error(`${revision}: there is no such commit in this clone (git fetch --unshallow gets the whole history)`)
  }
}

/** The project's own entry is left out: it changes with each version. */
function hasSamePackages (directory) {
  const [own, theirs] = [root, directory].map((folder) => {
    const { '': _project, ...packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages
    return JSON.stringify(packages)
  })
  return own === theirs
}

function git (args) {
  return execFileSync('git', args, { cwd: root, maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'inherit'] })
}

function run (args, cwd) {
  execFileSync('npm', args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
}
