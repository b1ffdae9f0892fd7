/*
 * The drains of `npm test`, as many as are wanted: `npm run test:drain -- [drains, default 200]`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const [rounds = '200'] = process.argv.slice(2)
const child = spawn(process.execPath, ['dist/test/http/drain.test.js'], { stdio: 'inherit', env: { ...process.env, DRAIN_ROUNDS: rounds, TAP_TIMEOUT: '1800' } })
const [code] = await once(child, 'exit')
process.exitCode = code ?? 1
