import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Compiled, this file is in dist/example-app, which a clean build removes. */
const FILE = fileURLToPath(new URL('../../example-app/.secret', import.meta.url))

/**
 * A secret of this clone, made at the first start, so that a restart signs nobody out while somebody works on the app. With NODE_ENV
 * "production", and where the file cannot be kept, every start has a new one.
 */
export function developmentSecret (env: NodeJS.ProcessEnv = process.env, file = FILE): string {
  const fresh = randomBytes(32).toString('hex')
  if (env.NODE_ENV === 'production') return fresh
  const draft = `${file}.${process.pid}`
  try {
    writeFileSync(draft, fresh, { mode: 0o600 })
    // Several processes may start at once: one makes the file, whole, and all read it.
    try { linkSync(draft, file) } catch {}
    rmSync(draft)
    const kept = readFileSync(file, 'utf8')
    return /^[\da-f]{64}$/.test(kept) ? kept : fresh
  } catch {
    return fresh
  }
}
