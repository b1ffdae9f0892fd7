/*
 * Packs the package as it would be published and tries it with every compiler, bundler, runtime and peer that it promises to work with:
 *
 *   npm run test:package -- [part of a combination's name]
 *
 * Each combination has a fresh folder. One that cannot be installed fails.
 */
import { execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { combinations, install } from './combinations.mjs'
import { pack, root } from './packed.mjs'

const [part = ''] = process.argv.slice(2)
const JOBS = 2

const folder = await realpath(await mkdtemp(join(tmpdir(), 'wsm-package-')))
const failed = []
try {
  const { tarball } = await pack(await copyProject(), folder)
  const left = combinations.map((combination, number) => ({ ...combination, number })).filter(({ name }) => name.includes(part))
  if (left.length === 0) throw new Error(`No combination is named like "${part}"`)
  const count = left.length
  await Promise.all(Array.from({ length: JOBS }, async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await tryOut(next, tarball)
  }))
  console.log(failed.length === 0 ? `All ${count} combinations work.` : `${failed.length} of ${count} combinations do not work: ${failed.join('; ')}`)
} finally {
  await rm(folder, { recursive: true })
}
process.exitCode = failed.length === 0 ? 0 : 1

async function tryOut ({ name, number, packages, play }, tarball) {
  const own = join(folder, String(number))
  const startedAt = performance.now()
  let fault
  try {
    await mkdir(own)
    await install(own, tarball, packages)
    await play(own, tarball)
  } catch (error) {
    fault = error
    failed.push(name)
  }
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  console.log(`${fault === undefined ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)${fault === undefined ? '' : `\n${fault.message}`}`)
  await rm(own, { recursive: true, force: true })
}

/** Packing builds, which would take away the build that tests are using. */
async function copyProject () {
  const copy = join(folder, 'copy')
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
  for (const file of files) {
    if (/^(test|bench\/(?!README))/.test(file)) continue
    await mkdir(dirname(join(copy, file)), { recursive: true })
    await cp(join(root, file), join(copy, file), { force: true })
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction')
  return copy
}
