/*
 * Three nodes of an earlier version become nodes of this one, one after the other, under load:
 *
 *   npm run test:upgrade -- [--from <commit, default the last one of layout 1>]
 *
 * The earlier version is built from Git, in a temporary folder.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { buildCommit } from '../../bench/commit-build.mjs'

/** The last commit whose nodes knew no layouts. */
const LAYOUT_1 = 'df3bea1'

const { values: { from } } = parseArgs({ options: { from: { type: 'string', default: LAYOUT_1 } } })
try {
  const { name, directory } = buildCommit(from)
  const env = { ...process.env, UPGRADE_FROM: directory, UPGRADE_NAME: name, TAP_TIMEOUT: '600' }
  const test = spawn(process.execPath, ['dist/test/upgrade/upgrade.test.js'], { stdio: ['ignore', 'inherit', 'inherit'], env })
  const [code] = await once(test, 'exit')
  process.exitCode = code ?? 1
} catch (error) {
  console.error(`The upgrade could not be tested: ${error.message}`)
  process.exitCode = 1
}
