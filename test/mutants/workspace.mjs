import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const project = resolve(import.meta.dirname, '../..')
/** Not linked: the build is copied, since it is what is changed. */
const LEFT_OUT = ['dist', '.git', '.tap']

/** A copy of the build, with all else of the project beside it. Faults are put into the copy alone. */
export class Workspace {
  #running = null

  constructor (root) {
    this.root = root
  }

  static async make () {
    const root = await mkdtemp(join(tmpdir(), 'mutants-'))
    await mkdir(root, { recursive: true })
    await cp(join(project, 'dist'), join(root, 'dist'), { recursive: true })
    for (const name of await readdir(project)) if (!LEFT_OUT.includes(name)) await symlink(join(project, name), join(root, name))
    return new Workspace(root)
  }

  /** Runs `work` while a file of the build has the fault. */
  async with ({ file, start, end, after }, work) {
    const path = join(this.root, file)
    const source = await readFile(path, 'utf8')
    await writeFile(path, source.slice(0, start) + after + source.slice(end))
    try {
      return await work()
    } finally {
      await writeFile(path, source)
    }
  }

  /** Runs a test file up to its first failure. Resolves to `passed`, `failed` or `late`. */
  async run (test, timeoutMs, env = {}) {
    // A group of its own, so that the servers that it has started end with it.
    const child = spawn(process.execPath, [join(this.root, 'dist/test', test)], {
      cwd: this.root, detached: true, stdio: 'ignore', env: { ...process.env, TAP_BAIL: '1', TAP_TIMEOUT: String(timeoutMs / 1_000 + 10), ...env }
    })
    this.#running = child
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.#kill()
    }, timeoutMs)
    const [code] = await once(child, 'exit')
    clearTimeout(timer)
    this.#kill()
    this.#running = null
    return isLate ? 'late' : code === 0 ? 'passed' : 'failed'
  }

  /** Ends what runs in it, and removes it. */
  async remove () {
    this.#kill()
    await rm(this.root, { recursive: true, force: true })
  }

  #kill () {
    try {
      if (this.#running !== null) process.kill(-this.#running.pid, 'SIGKILL')
    } catch (error) {
      // Nothing of the group is left.
      if (error.code !== 'ESRCH') throw error
    }
  }
}
