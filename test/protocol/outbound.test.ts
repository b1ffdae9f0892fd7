import { Type, type TSchema } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { WsManager } from '../../lib/index.js'
import { clientFrames } from '../../schemas/frames/client.js'
import { serverFrameTypes } from '../../schemas/frames/types.js'
import { reservedFields } from '../../schemas/messages.js'
import { startApp } from '../fixtures/app.js'

/** Every way of sending, by name. */
function ways (ws: WsManager, clientId: string): Array<[string, (message: object) => Promise<unknown>]> {
  return [
    ['broadcast', (message) => ws.broadcast(message)],
    ['sendToUser', (message) => ws.sendToUser('alice', message)],
    ['sendToRole', (message) => ws.sendToRole('editor', message)],
    ['sendToChannel', (message) => ws.sendToChannel('room', message)],
    ['sendToClient', (message) => ws.sendToClient(clientId, message)]
  ]
}

/** The report of such a send that reached the one socket. */
const reached = (way: string) => way === 'sendToClient' ? { recipients: 1 } : { localRecipients: 1 }

async function start (t: Test) {
  const server = await startApp(t)
  const { ws } = server.app
  const client = await server.connect('alice', { claims: { roles: ['editor'] } })
  await ws.join(client.id, 'room')
  return { ws, client, ways: ways(ws, client.id) }
}

t.test('a value that is not a message is refused by every way of sending', async (t) => {
  const { client, ways } = await start(t)
  const bad: Array<[unknown, RegExp]> = [
    [{}, /\(\): message\.type: /], [{ type: 1 }, /\(\): message\.type: /], [{ type: '' }, /\(\): message\.type: /], [{ type: 'x'.repeat(129) }, /\(\): message\.type: /], [{ Type: 'x.y' }, /\(\): message\.type: /],
    [null, /\(\): message: /], [undefined, /\(\): message: /], ['x.y', /\(\): message: /], [[{ type: 'x.y' }], /\(\): message: /]
  ]
  for (const [name, send] of ways) {
    for (const [message, where] of bad) {
      await t.rejects(send(message as object), { code: 'WSM_ERR_INVALID_ARGUMENT', message: where }, `${name} ${JSON.stringify(message)}`.slice(0, 60))
    }
  }
  await client.settled()
  t.same(client.received.map(({ type }) => type), ['connection', 'pong', 'reply'])
})

t.test('a message with a field that only the server sets is refused', async (t) => {
  const { client, ways } = await start(t)
  for (const [name, send] of ways) {
    for (const field of reservedFields) {
      for (const value of ['x', null, undefined, false]) {
        await t.rejects(send({ type: 'x.y', [field]: value }), {
          code: 'WSM_ERR_INVALID_ARGUMENT', details: [{ path: `/${field}`, message: 'Only the server can set this field' }]
        }, `${name} ${field}`)
      }
    }
    t.match(await send({ type: 'x.y', nested: { from: 'anybody', stream: 1 } }), reached(name), 'further in they are the app\'s')
  }
  await client.settled()
  t.equal(client.count('x.y'), ways.length)
})

t.test('a message with a type of the protocol is refused by every way of sending, and other types need no namespace', async (t) => {
  const { ws, client, ways } = await start(t)
  const fault = [{ path: '/type', message: 'This type is reserved for the protocol' }]
  for (const type of [...serverFrameTypes, ...Object.keys(clientFrames)]) {
    for (const [name, send] of ways) await t.rejects(send({ type }), { code: 'WSM_ERR_INVALID_ARGUMENT', details: fault }, `${name} ${type}`)
    t.throws(() => ws.declare(type, Type.Object({})), { code: 'WSM_ERR_INVALID_HANDLER', message: /protocol/ }, type)
  }
  for (const type of ['system_notification', 'chat', 'toString']) {
    for (const [name, send] of ways) await send({ type }).then(() => t.pass(name))
    await client.settled()
    t.equal(client.count(type), ways.length)
  }
})

t.test('a message that JSON cannot hold is refused, and nothing of it is sent', async (t) => {
  const { client, ways } = await start(t)
  const cycle: Record<string, unknown> = { type: 'x.y' }
  cycle.self = { cycle }
  const broken = { type: 'x.y', toJSON: () => { throw new Error('no JSON of me') } }
  for (const [name, send] of ways) {
    await t.rejects(send(cycle), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /circular/ }, `${name} a cycle`)
    await t.rejects(send({ type: 'x.y', n: 1n }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /BigInt/ }, `${name} a BigInt`)
    await t.rejects(send(broken), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /no JSON of me/ }, `${name} a toJSON that throws`)
  }
  await client.settled()
  t.equal(client.count('x.y'), 0)
})

t.test('a message is sent as its JSON', async (t) => {
  const { ws, client } = await start(t)
  const date = new Date(0)
  await ws.sendToUser('alice', { type: 'x.y', date, nothing: undefined, nan: NaN, text: '\ud800 "quoted" \u2028 🎉', deep: { map: new Map([[1, 2]]) } })
  t.same(await client.next('x.y'), { type: 'x.y', date: date.toISOString(), nan: null, text: '\ud800 "quoted" \u2028 🎉', deep: { map: {} } })
  class Message { type = 'x.z'; get hidden () { return 1 } }
  await ws.sendToUser('alice', new Message())
  t.same(await client.next('x.z'), { type: 'x.z' })
  const big = 'x'.repeat(300_000)
  await ws.sendToUser('alice', { type: 'x.big', big })
  t.equal((await client.next('x.big')).big, big, 'the limit is for what comes in')
})

t.test('a message of a declared type is refused unless it matches, and other types are not checked', async (t) => {
  const { ws, client, ways } = await start(t)
  ws.declare('chat.message', Type.Object({ type: Type.Literal('chat.message'), text: Type.String({ maxLength: 5 }) }, { additionalProperties: false }))
  for (const [name, send] of ways) {
    await t.rejects(send({ type: 'chat.message', text: 1 }), {
      code: 'WSM_ERR_INVALID_ARGUMENT', message: /\(\): message\.text: Expected string/, details: [{ path: '/text', message: 'Expected string' }]
    }, name)
    await t.rejects(send({ type: 'chat.message', text: 'too long' }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
    await t.rejects(send({ type: 'chat.message', text: 'x', extra: 1 }), { code: 'WSM_ERR_INVALID_ARGUMENT', details: [{ path: '/extra' }] })
    t.match(await send({ type: 'chat.message', text: 'good' }), reached(name))
    t.match(await send({ type: 'chat.other', text: 1 }), reached(name))
  }
  await client.settled()
  t.equal(client.count('chat.message'), ways.length)
})

t.test('the closed schema of a declared type, or a union of them, need not name the type', async (t) => {
  const { ws, client, ways } = await start(t)
  const closed = { additionalProperties: false }
  ws.declare('d.object', Type.Object({ x: Type.Number() }, closed))
  ws.declare('d.union', Type.Union([Type.Object({ x: Type.Number() }, closed), Type.Object({ y: Type.String() }, closed)]))
  ws.declare('d.open', Type.Object({ x: Type.Number() }))
  for (const [name, send] of ways) {
    for (const message of [{ type: 'd.object', x: 1 }, { type: 'd.union', y: 'y' }, { type: 'd.open', x: 1, more: true }]) await send(message).then(() => t.pass(name))
    await t.rejects(send({ type: 'd.object', x: 1, more: true }), { code: 'WSM_ERR_INVALID_ARGUMENT', details: [{ path: '/more' }] })
    await t.rejects(send({ type: 'd.union', x: 1, y: 'y' }), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  }
  await client.settled()
  t.equal(client.count('d.object'), ways.length)
})

t.test('a type is declared once, with a schema that can be compiled', async (t) => {
  const { ws } = await start(t)
  ws.declare('chat.message', Type.Object({ text: Type.String() }))
  t.throws(() => ws.declare('chat.message', Type.Object({})), { code: 'WSM_ERR_INVALID_HANDLER', message: /"chat.message".*already/ })
  await t.rejects(ws.broadcast({ type: 'chat.message' }), { code: 'WSM_ERR_INVALID_ARGUMENT' }, 'the first declaration stands')
  t.throws(() => ws.declare('chat.bad', Type.Object({ x: { type: 'object' } as unknown as TSchema })), { code: 'WSM_ERR_INVALID_HANDLER', message: /"chat.bad".*compiled/ })
  t.match(await ws.broadcast({ type: 'chat.bad' }), { localRecipients: 1 }, 'what was refused declares nothing')
})

t.test('a message whose toJSON returns no object is refused', async (t) => {
  const { ways } = await start(t)
  for (const [name, send] of ways) {
    for (const json of [undefined, 'text', null, []]) {
      await t.rejects(send({ type: 'x.y', toJSON: () => json }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /message: Expected object/ }, name)
    }
  }
})

t.test('the JSON of a message is checked, not what it is made from', async (t) => {
  const { ws, client, ways } = await start(t)
  ws.declare('day.plan', Type.Object({ at: Type.String(), note: Type.Optional(Type.String()), of: Type.Object({ name: Type.String() }) }))
  ws.handle('send.me', { schema: Type.Object({ what: Type.String() }) }, ({ what }, { send }) => {
    try {
      return send(made[what]!)
    } catch (error) {
      return (error as Error).message
    }
  })
  const at = new Date(0)
  const good = { type: 'day.plan', at, note: undefined, of: { toJSON: () => ({ name: 'x' }) } }
  const bad: Array<[toJSON: unknown, path: string]> = [
    [{ type: 'connection', data: {} }, '/type'], [{}, '/type'], [{ type: 1 }, '/type'], [{ type: 'day.plan' }, '/at'], [{ ...good, of: new Map([['name', 'x']]) }, '/of/name'],
    [{ type: 'x.y', from: 'anybody' }, '/from'], [{ type: 'x.y', stream: null }, '/stream']
  ]
  for (const [name, send] of ways) {
    t.match(await send(good), reached(name), name)
    for (const [json, path] of bad) await t.rejects(send({ type: 'x.y', toJSON: () => json }), { code: 'WSM_ERR_INVALID_ARGUMENT', details: [{ path }] }, `${name} ${path}`)
    // A class whose type is in its prototype has none in JSON.
    await t.rejects(send(new (class { get type () { return 'x.y' } })()), { code: 'WSM_ERR_INVALID_ARGUMENT', details: [{ path: '/type' }] }, name)
  }
  const made: Record<string, object> = { good, bad: { type: 'x.y', toJSON: () => ({ type: 'x.y', from: 'anybody' }) } }
  t.match(await client.request({ type: 'send.me', what: 'good' }), { type: 'reply', data: null })
  t.match(await client.request({ type: 'send.me', what: 'bad' }), { type: 'reply', data: /message\.from/ })
  await client.settled()
  t.same(client.received.filter(({ type }) => type === 'day.plan'), Array(ways.length + 1).fill({ type: 'day.plan', at: at.toISOString(), of: { name: 'x' } }))
  t.equal(client.count('x.y'), 0)
})
