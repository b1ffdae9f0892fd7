/*
 * The random histories of `npm test`, as many as are wanted:
 *
 *   npm run test:rollbacks -- [histories, default 10000] [seed]
 *
 * Two processes, each with several worlds: a world waits most of the time.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const [histories = '10000', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2)
console.log(`${histories} histories, seed ${seed}`)
const codes = await Promise.all([0, 1].map(async (at) => {
  const env = {
    ...process.env, TAP_TIMEOUT: '7200', ROLLBACKS_HISTORIES: String(Math.ceil(histories / 2)), ROLLBACKS_SEED: String(Number(seed) + at), ROLLBACKS_WORLDS: '5'
  }
  const child = spawn(process.execPath, ['dist/test/rollbacks/rollbacks.test.js'], { stdio: ['ignore', 'inherit', 'inherit'], env })
  const [code] = await once(child, 'exit')
  return code
}))
process.exitCode = Math.max(...codes.map((code) => code ?? 1))
