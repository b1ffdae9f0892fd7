/*
 * One client in a process of its own, whose CPU time is the figure: `node client.mjs '{"kind": …, "port": …, "secret": …}'`.
 */
import { answer, serveCommands } from '../shared/lines.mjs'
import { FIRST_SEQ } from '../shared/payloads.mjs'
import { kinds } from './kinds.mjs'

const { kind, port, secret } = JSON.parse(process.argv[2])
let next = FIRST_SEQ
let last = FIRST_SEQ
let outOfOrder = 0
let upAt = null
let cpu = process.cpuUsage()
let finish = () => {}
let isUp = () => {}

const call = await kinds[kind]({
  port,
  secret,
  got (seq) {
    if (seq === next) next++
    else outOfOrder++
    if (next === last) finish()
  },
  up () {
    upAt ??= Date.now()
    isUp()
  }
})

serveCommands({
  /** Starts counting: `count` messages follow. */
  expect ({ count }) {
    next = FIRST_SEQ
    last = FIRST_SEQ + count
    outOfOrder = 0
    upAt = null
    cpu = process.cpuUsage()
  },
  /** Answers when they are there. */
  async received () {
    if (next < last) await new Promise((resolve) => { finish = resolve })
    return { micros: usedMicros(), at: Date.now(), upAt, outOfOrder }
  },
  /** Answers when it is connected again. */
  async up () {
    if (upAt === null) await new Promise((resolve) => { isUp = resolve })
    return { at: upAt, upAt, outOfOrder }
  },
  /** Calls as fast as it can, so many at a time. */
  async calls ({ count, inFlight }) {
    cpu = process.cpuUsage()
    let left = count
    await Promise.all(Array.from({ length: inFlight }, async () => {
      while (left-- > 0) await call()
    }))
    return { micros: usedMicros() }
  }
})
answer({})

function usedMicros () {
  const { user, system } = process.cpuUsage(cpu)
  return user + system
}
