import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { LASTING_TICKETS } from '../faults/absence.js'
import { Answers } from '../faults/answers.js'
import { Deployment } from '../faults/deployment.js'
import { fault, nearlyAllRecovered, underLoad, type Figures } from '../faults/fault.js'
import type { Load } from '../faults/load.js'
import { SpentTickets } from '../faults/spent-tickets.js'
import { TestClient, frames } from '../fixtures/client.js'
import { root } from '../fixtures/root.js'
import { forge } from '../fixtures/tokens.js'

/** `npm run test:upgrade` sets them: the folder of the earlier version, as it is built, and its name. */
const { UPGRADE_FROM: earlier, UPGRADE_NAME: name } = process.env
if (earlier === undefined) throw new Error('The earlier version is missing: npm run test:upgrade')

const SETTINGS = { sockets: 300, rate: 150 }
const CALM_MS = 2_000
const QUESTIONS = 60
/** Of what is not kept nobody learns later that it was missed: it is to be there at once. */
const AT_ONCE_MS = 1_500
/** A machine that is busy with something else takes its time. */
const PATIENT = { nominalMs: 120_000 }

t.setTimeout(600_000)
frames.areChecked = false

interface Roll {
  from: string
  to: string
  nodes: readonly number[]
  /** How long the others take to hear of an earlier version. */
  noticeMs: number
}

/** Nodes become those of another version, one after the other; some clients are away meanwhile, others come and go. */
async function roll (t: Test, { from, to, nodes, noticeMs }: Roll): Promise<Figures> {
  const deployment = await Deployment.start(t, { version: from, options: LASTING_TICKETS })
  const [answers, tickets] = [new Answers(t, deployment), new SpentTickets(t, deployment)]
  const extra: Figures = { unkeptDeliveryMs: 0 }
  const figures = await underLoad(t, deployment, async (load) => {
    const { crowd } = load
    await Promise.all([answers.ask(QUESTIONS), tickets.issue()])
    for (const [step, index] of nodes.entries()) {
      await setTimeout(CALM_MS)
      if (step < 2) crowd.leave(step as 0 | 1)
      await replace(deployment, load, index, to)
      await setTimeout(noticeMs)
      extra.unkeptDeliveryMs = Math.max(extra.unkeptDeliveryMs!, await unkeptDelivery(t, deployment))
    }
    await crowd.comeBack()
    // They were asked by the earlier nodes, and the tickets issued by them.
    await Promise.all([answers.listen(), tickets.spend()])
    await answers.confirm()
    Object.assign(extra, await answers.contradict(), await tickets.spendAgain())
    extra.stillPending = await deployment.nodes[0]!.command<number>('pending')
    await crowd.settle()
  }, { isChurning: true, settings: SETTINGS })
  t.match(extra, { undone: 0, markedUncertain: 0, openedTwice: 0, questions: QUESTIONS, stillPending: 0 }, 'what was asked before was answered, once')
  t.ok(extra.unkeptDeliveryMs! <= AT_ONCE_MS + 2 * figures.delayMs!, `what is not kept came after ${extra.unkeptDeliveryMs} ms`)
  nearlyAllRecovered(t, figures)
  return { ...figures, ...extra }
}

/** Each node publishes what is not kept, for a client at each node. Resolves to how long it takes until all have all of it, milliseconds. */
async function unkeptDelivery (t: Test, { nodes, origins }: Deployment): Promise<number> {
  const clients = await Promise.all(origins.map(async (origin) => {
    const client = await new TestClient(`${origin.replace('http', 'ws')}/ws`, ['ws-manager.v1', `bearer.${forge({ sub: 'onlooker' })}`]).opened()
    t.teardown(() => client.socket.terminate())
    client.send({ type: 'subscribe', channel_ids: ['unkept'] })
    await client.next('subscribed')
    return client
  }))
  const from = performance.now()
  await Promise.all([
    ...nodes.map((node, by) => node.command('publish', 'channel:unkept', { type: 'unkept', by }, { history: false })),
    ...clients.flatMap((client) => nodes.map((_node, by) => client.next((frame) => frame.type === 'unkept' && frame.by === by)))
  ])
  const ms = Math.round(performance.now() - from)
  for (const { socket } of clients) socket.terminate()
  return ms
}

async function replace (deployment: Deployment, load: Load, index: number, version: string): Promise<void> {
  const node = deployment.nodes[index]!
  await node.terminate()
  await node.start(version)
  await load.crowd.entered()
  await deployment.allReady()
}

fault(`three nodes of ${name} are upgraded to this version under load, one after the other`, (t) => roll(t, { from: earlier, to: root, nodes: [0, 1, 2], noticeMs: 0 }), PATIENT)

fault(`one of three nodes is downgraded to ${name} under load`, (t) => roll(t, { from: root, to: earlier, nodes: [0], noticeMs: 6_000 }), PATIENT)
