/*
 * The checker of `npm test` on clients in a browser, longer: `npm run test:client -- [rounds, default 20] [seed, default another one
 * each time]`. The seed that it prints makes the same plan again.
 */
import { spawn } from 'node:child_process'

const [rounds = '20', seed = String(1 + Date.now() % 100_000)] = process.argv.slice(2)
console.log(`rounds ${rounds}, seed ${seed}`)
const tap = spawn('npx', ['tap', '--disable-coverage', '--allow-incomplete-coverage', `--timeout=${120 * Number(rounds)}`, 'dist/test/client/checker.test.js'], {
  stdio: 'inherit', env: { ...process.env, CLIENT_ROUNDS: rounds, CLIENT_SEED: seed }
})
tap.on('exit', (code) => { process.exitCode = code ?? 1 })
