import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { WebSocket } from 'ws'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure, isLong } from '../fixtures/attacks.js'

const CHANNELS = amount({ short: 20, long: 100 })
const MEMBERS = amount({ short: 20, long: 200 })
const ATTACK_MS = amount({ short: 1_000, long: 10_000 })
/** 20 frames a second, that is: as many as one socket may send. */
const TICK_MS = 50
const JOINS_BURST = amount({ short: 40, long: 1_000 })
/** Joins and leaves that a user may cause, in the long run and at once, the last of them in debt; each is told to every member. */
const MOST_CHANGES = 2 * (JOINS_BURST + CHANNELS + 20 * ATTACK_MS / 1_000)

t.test('rapid joins and leaves of a user are not announced each time', { timeout: 300_000 }, async (t) => {
  const server = await AttackedServer.start(t, { channels: { 'open-*': { presence: true } }, limits: { joinsBurst: JOINS_BURST } })
  const channel_ids = Array.from({ length: CHANNELS }, (_, i) => `open-${i}`)
  let told = 0
  for (let i = 0; i < MEMBERS; i++) {
    const member = await server.connect(`user-${i}`)
    await member.request({ type: 'subscribe', channel_ids })
    member.socket.removeAllListeners('message')
    member.socket.on('message', (data: Buffer) => { if (data.includes('mallory')) told++ })
  }
  let mallory = await server.connect('mallory')
  const rates: string[] = []
  // As fast as changes cancel each other, and as slow as they do not.
  for (const [name, tickMs] of isLong ? [['within a window', TICK_MS], ['window by window', 3 * TICK_MS]] as const : [['within a window', TICK_MS]] as const) {
    told = 0
    let frames = 0
    const start = performance.now()
    while (performance.now() - start < ATTACK_MS) {
      // Who goes on is closed, and comes back.
      if (mallory.socket.readyState !== WebSocket.OPEN) mallory = await server.connect('mallory')
      mallory.send({ type: frames++ % 2 === 0 ? 'subscribe' : 'unsubscribe', channel_ids })
      await setTimeout(tickMs)
    }
    const rate = told * 1_000 / (performance.now() - start)
    t.ok(told <= MOST_CHANGES * MEMBERS, `${name}: ${told} frames to others`)
    rates.push(`${name} ${frames} frames, ${told} to others (${rate.toFixed(0)}/s)`)
  }
  const { uncaught, status } = await server.ask('report')
  t.same(uncaught, [])
  figure(t, 'presence', `one user joins and leaves ${CHANNELS} channels of ${MEMBERS} members: ${rates.join('; ')}; ${status.rejected.joins} subscriptions over the allowance`)
})
