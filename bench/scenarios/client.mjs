import { fileURLToPath } from 'node:url'
import { sizeOf } from '../../scripts/client-size.mjs'
import { CountingProxy } from '../clients/counting-proxy.mjs'
import { LineProcess } from '../line-process.mjs'
import { OURS } from '../peers/index.mjs'
import { plans } from '../shared/plans.mjs'
import { interleaved } from './rounds.mjs'

const here = fileURLToPath(new URL('..', import.meta.url))
const SECRET = 'the secret of the benchmark has more than thirty-two characters'
const PLAN = 'client'
const CALLS_PER_SECOND = 1500
const IN_FLIGHT = 8

/** Which client talks to which server, what a page loads of it, and whether it gets what it has missed. */
const runs = {
  // Each call can be repeated, and is remembered for ten minutes.
  [OURS]: { kind: OURS, entry: ['./dist/client/index.js'], settings: { options: { limits: { maxRememberedBytesPerUser: 134_217_728 } } }, comesBack: true, catchesUp: true },
  'socket.io': { kind: 'socket.io', entry: ['socket.io-client', here, '{ io }'], comesBack: true, catchesUp: false },
  'socket.io-recovery': { kind: 'socket.io', entry: ['socket.io-client', here, '{ io }'], settings: { recovery: true }, comesBack: true, catchesUp: true },
  centrifuge: { kind: 'centrifuge', entry: ['centrifuge', here, '{ Centrifuge }'], comesBack: true, catchesUp: true },
  ws: { kind: 'ws', entry: null, comesBack: false, catchesUp: false }
}

/** Cost of a client: its own process in Node.js is measured, not that of the server. */
export const client = {
  name: 'client',
  title: 'one client: 5000 messages of 200 bytes a second, 20 a tick; calls, eight in flight; and a cut',
  peers: [OURS, 'socket.io', 'socket.io-recovery', 'centrifuge', 'ws'],
  isOnDemand: true,
  figures: [
    { name: 'size', title: 'bytes, min+gzip', better: 'less' },
    { name: 'cpuMicros', title: 'µs CPU/msg', better: 'less' },
    { name: 'callMicros', title: 'µs CPU/call', better: 'less' },
    { name: 'messageBytes', title: 'bytes/msg', better: 'less' },
    { name: 'callBytes', title: 'bytes/call', better: 'less' },
    { name: 'reconnectMs', title: 'reconnected ms', better: 'less' },
    { name: 'caughtUpMs', title: 'caught up ms', better: 'less' }
  ],
  targets: [
    { figure: 'size', peer: 'socket.io', most: 0.62 },
    { figure: 'cpuMicros', peer: 'socket.io', most: 0.6 },
    { figure: 'cpuMicros', peer: 'ws', most: 1.2 }
  ],
  async run (bench, peers) {
    const { rounds, seconds } = bench.options
    const parts = new Map()
    try {
      for (const peer of peers) parts.set(peer, await begin(bench, peer))
      for (const peer of peers) await round(bench, peer, parts.get(peer), 0.5)
      return await interleaved(peers, rounds, (peer) => round(bench, peer, parts.get(peer), seconds))
    } finally {
      for (const { process, proxy } of parts.values()) {
        await process.stop()
        proxy.stop()
      }
    }
  }
}

async function begin (bench, peer) {
  const { kind, entry, settings } = runs[bench.kindOf(peer)]
  const proxy = await CountingProxy.start((await bench.start(peer, settings)).port)
  const process_ = new LineProcess(`the client of ${peer}`, process.execPath, [`${here}clients/client.mjs`, JSON.stringify({ kind, port: proxy.port, secret: SECRET })])
  await process_.greeting()
  return { process: process_, proxy, size: entry === null ? undefined : (await sizeOf(...entry)).gzip }
}

async function round (bench, peer, { process, proxy, size }, seconds) {
  const { comesBack, catchesUp } = runs[bench.kindOf(peer)]
  const received = await receive(bench, peer, { process, proxy }, Math.ceil(plans[PLAN].ticksPerSecond * seconds))
  const bytesBefore = proxy.bytes
  const count = Math.ceil(CALLS_PER_SECOND * seconds)
  const { micros } = await process.request('calls', { count, inFlight: IN_FLIGHT })
  const figures = { size, cpuMicros: received.micros, messageBytes: received.bytes, callMicros: micros / count, callBytes: (proxy.bytes - bytesBefore) / count }
  const back = comesBack ? await cutOff(bench, peer, { process, proxy }, catchesUp) : {}
  const outOfOrder = received.outOfOrder + (back.outOfOrder ?? 0)
  return {
    ...figures,
    reconnectMs: back.reconnectMs,
    caughtUpMs: catchesUp ? back.caughtUpMs : undefined,
    faults: { outOfOrder },
    isFaulty: outOfOrder > 0,
    losses: []
  }
}

/**
 * Cuts the connection once, which has lived for as long as a round: how long it takes until the client is connected again, and until it has what
 * was published meanwhile.
 */
async function cutOff (bench, peer, { process, proxy }, catchesUp) {
  let cutAt
  const cut = () => {
    cutAt = Date.now()
    proxy.cut()
  }
  const { at, upAt, outOfOrder } = await (catchesUp ? receive(bench, peer, { process, proxy }, 1, cut) : comeBack(process, cut))
  return { reconnectMs: upAt - cutAt, caughtUpMs: at - cutAt, outOfOrder }
}

/** The client has nothing to catch up with: it is only connected again. */
async function comeBack (process, cut) {
  await process.request('expect', { count: 0 })
  cut()
  return process.request('up')
}

/** Publishes for so many ticks, where `cut` is given while the client is cut off, until the client has everything. */
async function receive (bench, peer, { process, proxy }, ticks, cut = () => {}) {
  const count = ticks * plans[PLAN].perTick
  await process.request('expect', { count })
  cut()
  const bytesBefore = proxy.bytes
  const [, { micros, ...rest }] = await Promise.all([bench.server(peer).request('publish', { plan: PLAN, ticks }), process.request('received')])
  return { ...rest, micros: micros / count, bytes: (proxy.bytes - bytesBefore) / count }
}
