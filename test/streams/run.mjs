/*
 * The fault runs of `npm test`, longer: `npm run test:streams -- [length, default 10] [seed, default another one each time]`.
 * The seed that it prints makes the same plan again.
 */
import { spawn } from 'node:child_process'

const [length = '10', seed = String(1 + Date.now() % 100_000)] = process.argv.slice(2)
console.log(`length ${length}, seed ${seed}`)
const tap = spawn('npx', ['tap', '--disable-coverage', '--allow-incomplete-coverage', `--timeout=${300 * Number(length)}`, 'dist/test/streams/faults.test.js'], {
  stdio: 'inherit', env: { ...process.env, STREAMS_LENGTH: length, STREAMS_SEED: seed }
})
tap.on('exit', (code) => { process.exitCode = code ?? 1 })
