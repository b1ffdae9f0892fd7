import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const NAME = 'fastify-ws-manager'
export const root = fileURLToPath(new URL('../..', import.meta.url))

const DOCUMENTS = ['package.json', 'README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE', 'schemas/PROTOCOL.md', 'docs', 'bench/README.md', 'example-app/nginx.conf']

/**
 * Packs what is built in `dist` now, in a copy: packing in the project would build again what other tests are using.
 *
 * @param folder an empty folder, which is used
 */
export async function packBuilt (folder) {
  const copy = join(folder, 'copy')
  for (const part of ['lib', 'routes', 'schemas', 'client']) await cp(join(root, 'dist', part), join(copy, 'dist', part), { recursive: true })
  for (const name of DOCUMENTS) await cp(join(root, name), join(copy, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction')
  const { code, output } = await run(process.execPath, [join(root, 'scripts/package-files.mjs'), join(copy, 'dist')], copy)
  if (code !== 0) throw new Error(output)
  return pack(copy, folder, ['--ignore-scripts'])
}

/** Packs a project as `npm publish` would. */
export async function pack (project, folder, options = []) {
  const { code, output } = await run('npm', ['pack', ...options, '--json', '--pack-destination', folder], project, { timeoutMs: 300_000 })
  if (code !== 0) throw new Error(output)
  // Between what npm says of the scripts that it runs.
  const [{ filename, files, size, unpackedSize }] = JSON.parse(output.slice(output.indexOf('[\n'), output.lastIndexOf('\n]') + 2))
  return { tarball: join(folder, filename), paths: files.map(({ path }) => path), size, unpackedSize }
}

/** A project in which the packed package is installed with what it says that it needs, as this project has it. */
export async function unpackInto (folder, tarball) {
  const { dependencies, peerDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const own = join(folder, 'node_modules', NAME)
  await mkdir(own, { recursive: true })
  await promisify(execFile)('tar', ['-xzf', tarball, '-C', own, '--strip-components=1'])
  for (const name of [...Object.keys(dependencies), ...Object.keys(peerDependencies), '@types/node', '@types/react', 'csstype']) {
    await mkdir(dirname(join(folder, 'node_modules', name)), { recursive: true })
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction')
  }
}

/** Runs a program to its end; one that does not end is a failure. */
export async function run (file, args, cwd, { env = {}, timeoutMs = 60_000 } = {}) {
  // Not watched for coverage: tap adds its loader by NODE_OPTIONS to whatever is spawned.
  const { NODE_OPTIONS, ...inherited } = process.env
  try {
    const { stdout, stderr } = await promisify(execFile)(file, args, { cwd, timeout: timeoutMs, env: { ...inherited, ...env }, maxBuffer: 16_000_000 })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout = '', stderr = '', message } = error
    return { code: typeof code === 'number' ? code : -1, output: (stdout + stderr) || message }
  }
}
