import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { clientFrames } from '../../schemas/frames/client.js'
import { startApp, type TestApp } from '../fixtures/app.js'
import { figure } from '../fixtures/attacks.js'
import { refusal } from '../fixtures/refusal.js'
import { askStored } from '../fixtures/questions.js'
import type { Frame, TestClient } from '../fixtures/client.js'

/** What the other user has, and nobody else may come near. */
interface Victim { id: string, client: TestClient & { id: string }, channel: string, callbackId: string, taskId: string, messageId: string }

/** What a stranger asks of a route, and its answer. */
interface Call { path: string, body?: object, status: number, of?: 'stranger' }

const message = { message: { type: 'app.fake' } }
const withParameters = (url: string, victim: Victim) => url
  .replace(':user_id', victim.id).replace(':channel', victim.channel).replace(':client_id', victim.client.id)
  .replace(':callback_id', victim.callbackId).replace(':task_id', victim.taskId)

/** Every route of the plugin by its name in Fastify's list; one that is missing here fails the test. */
const routes: Record<string, (victim: Victim) => Partial<Call>> = {
  'GET /ws/status': () => ({ status: 403 }),
  'GET /ws/health': () => ({ status: 200 }),
  'GET /ws/ready': () => ({ status: 200 }),
  'GET /ws/asyncapi.json': () => ({ status: 200 }),
  'GET /ws/client.js': () => ({ status: 200 }),
  'POST /ws/broadcast': () => ({ status: 403, body: message }),
  'POST /ws/users/:user_id/messages': () => ({ status: 403, body: message }),
  'POST /ws/roles/:role/messages': () => ({ status: 403, body: message }),
  'POST /ws/channels/:channel/messages': () => ({ status: 403, body: message }),
  'POST /ws/clients/:client_id/messages': () => ({ status: 403, body: message }),
  'GET /ws/clients': ({ id }) => ({ path: `/ws/clients?user_id=${id}`, status: 403 }),
  'GET /ws/clients/:client_id': () => ({ status: 403 }),
  'DELETE /ws/clients/:client_id': () => ({ status: 403 }),
  'GET /ws/channels': () => ({ status: 403 }),
  'GET /ws/channels/:channel': () => ({ status: 403 }),
  'GET /ws/history': ({ id }) => ({ path: `/ws/history?topic=user:${id}`, status: 403 }),
  'GET /ws/confirmations': ({ id }) => ({ path: `/ws/confirmations?user_id=${id}`, status: 403 }),
  'GET /ws/confirmations/:callback_id': () => ({ status: 403 }),
  'POST /ws/confirmations/:callback_id': () => ({ status: 403, body: { proceed: false } }),
  'DELETE /ws/confirmations/:callback_id': () => ({ status: 403 }),
  'GET /ws/tasks': ({ id }) => ({ path: `/ws/tasks?user_id=${id}`, status: 403 }),
  'GET /ws/tasks/:task_id': () => ({ status: 403 }),
  'DELETE /ws/tasks/:task_id': () => ({ status: 403 }),
  'POST /ws/tickets': () => ({ status: 200 }),
  'POST /ws/revocations': ({ id }) => ({ status: 403, body: { user_id: id } }),
  'POST /ws/call/:type': () => ({ path: '/ws/call/no.such', status: 404 }),
  'POST /ws/call/app.note': ({ id }) => ({ status: 200, body: { user_id: id }, of: 'stranger' }),
  'GET /ws': ({ channel }) => ({ path: `/ws?channel_id=${channel}`, status: 426 })
}

/** Those that need no token. */
const OPEN = new Set(['GET /ws/health', 'GET /ws/ready', 'GET /ws/asyncapi.json', 'GET /ws/client.js', 'GET /ws'])

/** What a stranger sends for each frame of the protocol and an app's own: with the error's code, or what a harmless answer says. */
const frames: Record<keyof typeof clientFrames | 'app.note', (victim: Victim, stranger: string) => Array<[frame: object, answer: object]>> = {
  ping: ({ id }) => [[{ user_id: id }, { code: 'invalid_message' }], [{}, { type: 'reply' }]],
  connection: ({ client }, stranger) => [[{}, { data: { user_id: stranger } }], [{ client_id: client.id }, { code: 'invalid_message' }]],
  auth: ({ id, client }) => [[{ token: client.id }, { code: 'unauthorized' }], [{ token: id }, { code: 'unauthorized' }], [{ token: 'x', user_id: id }, { code: 'invalid_message' }]],
  change_user: ({ callbackId }) => [[{ token: callbackId }, { code: 'unauthorized' }], [{}, { code: 'unauthorized' }]],
  subscribe: ({ id, channel }) => [
    [{ channel_ids: [channel] }, { code: 'forbidden' }],
    [{ channel_ids: [channel], recover: { [channel]: { epoch: 'x', offset: 0 } } }, { code: 'forbidden' }],
    [{ user_id: id }, { code: 'forbidden' }],
    [{ channel_ids: [`user:${id}`] }, { code: 'forbidden' }],
    [{ channel_ids: ['all'] }, { code: 'forbidden' }],
    [{ recover: { [`user:${id}`]: 'start' } }, { code: 'invalid_message' }]
  ],
  unsubscribe: ({ channel }) => [[{ channel_ids: [channel] }, { type: 'reply' }]],
  ack: ({ messageId }) => [[{ message_id: messageId }, { type: 'reply' }]],
  confirm: ({ callbackId }) => [[{ callback_id: callbackId, proceed: false }, { code: 'forbidden' }], [{ callback_id: callbackId, proceed: true, answer: 1 }, { code: 'forbidden' }]],
  cancel: ({ id, taskId }) => [[{ task_id: taskId }, { code: 'forbidden' }], [{ task_id: taskId, user_id: id }, { code: 'forbidden' }]],
  walker: ({ id }, stranger) => [[{ walker: 'app.note', context: { user_id: id } }, { data: { user_id: stranger } }]],
  user: ({ id }) => [[{ user_ids: [id], data: {} }, { code: 'forbidden' }], [{ root_ids: [id], data: { type: 'app.fake' } }, { code: 'forbidden' }]],
  channel: ({ channel }) => [[{ channel_ids: [channel], data: {} }, { code: 'forbidden' }]],
  client: ({ client }) => [[{ client_ids: [client.id], data: {} }, { code: 'forbidden' }], [{ client_ids: [client.id], data: {}, from: { user_id: client.id } }, { code: 'invalid_message' }]],
  'app.note': ({ id }, stranger) => [[{ user_id: id, from: { user_id: id } }, { data: { user_id: stranger } }]]
}

async function start (t: Test): Promise<{ server: TestApp, listed: string[] }> {
  const listed: string[] = []
  const server = await startApp(t, {
    limits: { maxErrorsPerMinute: 10_000 },
    authorizeSubscribe: (user, channel) => channel === `room-of-${user?.id}`
  }, {
    before: (app) => { app.addHook('onRoute', ({ method, url }) => { for (const name of [method].flat()) listed.push(`${name} ${url}`) }) },
    after: ({ ws }) => ws.handle('app.note', { schema: Type.Object({}, { additionalProperties: true }), rest: true }, (_message, { user }) => ({ user_id: user?.id }))
  })
  return { server, listed }
}

async function victimOf (server: TestApp, id: string): Promise<Victim> {
  const client = await server.connect(id)
  const channel = `room-of-${id}`
  await client.request({ type: 'subscribe', channel_ids: [channel] })
  const { id: callbackId } = await askStored(server, id)
  const { task } = await server.app.ws.tasks.start({ userId: id })
  await client.next('task_step_result')
  return { id, client, channel, callbackId, taskId: task.task_id, messageId: '' }
}

/** Everything that the victim has is as it was, and it has heard of nothing. */
async function assertUntouched (t: Test, { app: { ws } }: TestApp, victim: Victim, heard: number): Promise<void> {
  await victim.client.settled()
  t.same(victim.client.received.slice(heard).filter(({ type }: Frame) => type !== 'pong' && type !== 'reply'), [], `${victim.id} has heard nothing`)
  t.match(await ws.confirmations.get(victim.callbackId), { status: 'pending', answered_by: null })
  t.match(ws.tasks.get(victim.taskId), { status: 'running' })
  t.match((await victim.client.request({ type: 'connection' })).data, { user_id: victim.id, channels: [victim.channel] })
}

t.test('a user cannot reach another user\'s data by any route or frame', async (t) => {
  const { server, listed } = await start(t)
  const users = [await victimOf(server, 'alice'), await victimOf(server, 'bob')]
  const [alice, bob] = users as [Victim, Victim]
  let tried = 0

  const names = [...new Set(listed.map((name) => name.replace('HEAD ', 'GET ')))]
  t.same(names.filter((name) => !(name in routes)), [], 'every route has a case here')
  t.same(Object.keys(routes).filter((name) => !names.includes(name)), [], 'and every case a route')

  for (const [victim, stranger] of [[alice, bob], [bob, alice]] as const) {
    const heard = victim.client.received.length
    for (const name of listed) {
      const [method, url] = name.split(' ') as [string, string]
      const known = name.replace('HEAD ', 'GET ')
      const { path = withParameters(url, victim), body, status, of } = routes[known]!(victim)
      const call = async (as: string | null) => {
        tried++
        const response = await fetch(server.origin + path, {
          method,
          headers: { ...as !== null && { authorization: `Bearer ${server.token(as)}` }, ...body !== undefined && { 'content-type': 'application/json' } },
          body: body === undefined ? null : JSON.stringify(body)
        })
        return { status: response.status, text: await response.text() }
      }
      const answer = await call(stranger.id)
      t.equal(answer.status, status, `${stranger.id}: ${name}`)
      for (const secret of [victim.client.id, victim.callbackId, victim.taskId]) t.notMatch(answer.text, secret, 'the answer tells nothing')
      if (of === 'stranger') t.match(answer.text, `"user_id":"${stranger.id}"`)
      t.equal((await call(null)).status, OPEN.has(known) ? status : 401, `nobody: ${name}`)
    }
    tried++
    t.match(await refusal(server.dial(stranger.id, { path: `/ws?channel_id=${victim.channel}` })), { statusCode: 403 })
    await assertUntouched(t, server, victim, heard)
  }

  for (const [victim, stranger] of [[alice, bob], [bob, alice]] as const) {
    // One that only the victim can acknowledge, and does not.
    const acknowledged = server.app.ws.sendToUser(victim.id, { type: 'app.secret' }, { ack: { timeoutMs: 200, tries: 1 } })
    victim.messageId = (await victim.client.next('app.secret')).message_id
    const heard = victim.client.received.length
    const seen = stranger.client.received.length
    for (const type of Object.keys(clientFrames) as Array<keyof typeof clientFrames>) t.ok(type in frames, type)
    for (const [type, cases] of Object.entries(frames)) {
      for (const [frame, answer] of cases(victim, stranger.id)) {
        tried++
        t.match(await stranger.client.request({ ...frame, type }), answer, `${stranger.id}: ${type} ${JSON.stringify(frame)}`)
      }
    }
    t.match(await acknowledged, { acked: [], missing: [victim.client.id] }, 'nobody acknowledges for another')
    t.same(stranger.client.received.slice(seen).filter(({ type }) => !['reply', 'error', 'pong', 'connection', 'unsubscribed'].includes(type)), [], 'and got nothing but answers')
    await assertUntouched(t, server, victim, heard)
  }
  figure(t, 'strangers', `${listed.length} routes and ${Object.keys(frames).length} frames, ${tried} attempts: 0 allowed`)
})
