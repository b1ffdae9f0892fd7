import { Type, type TSchema } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { HandlerContext, WsManager } from '../lib/index.js'
import { WsManager as Manager } from '../lib/manager.js'
import { contextSignatures } from '../lib/protocol/handler-context.js'
import { signatures as managerSignatures } from '../lib/signatures.js'
import type { Signature } from '../lib/validation/call.js'
import { startApp } from './fixtures/app.js'
import { until } from './fixtures/until.js'

const signatures = { ...managerSignatures, ...contextSignatures }
type MethodName = keyof typeof signatures

const schema = Type.Object({})
const nothing = () => null
const message = { type: 'app.note' }
const methods = Object.entries<Signature>(signatures) as Array<[MethodName, Signature]>

/** Arguments that each method takes. */
const good: Record<MethodName, unknown[]> = {
  'ws.broadcast': [message, { ack: { timeoutMs: 1, tries: 1 }, history: false, compress: false, except: ['x'] }],
  'ws.sendToUser': ['alice', message, {}],
  'ws.sendToRole': ['editor', message, {}],
  'ws.sendToChannel': ['room', message, { history: undefined }],
  'ws.sendToClient': ['x', message, { userId: null }],
  'ws.handle': ['call.good', { schema, reply: schema, authorize: () => true }, nothing],
  'ws.declare': ['call.declared', schema],
  'ws.endpoint': ['/call', { channels: ['room'], authorize: () => true }, {}],
  'ws.on': ['client_connected', nothing],
  'ws.notifyUser': [{ step: 1, message: 'Go on?', status: null }, { userId: 'alice', taskId: 'task', timeoutMs: 1, onTimeout: 'cancel', answer: schema, signal: AbortSignal.abort() }],
  'ws.startHeartbeat': [{ userId: 'alice', taskId: 'task', intervalMs: 1_000 }],
  'ws.join': ['x', 'room', { userId: 'alice' }],
  'ws.leave': ['x', 'room', {}],
  'ws.presence': ['here'],
  'ws.history': ['channel:room', { epoch: 'x', offset: 0 }],
  'ws.position': ['channel:room'],
  'ws.revoke': [{ jti: 'token' }],
  'ws.disconnect': [{ userId: 'alice' }, 'over'],
  'ws.getStatus': [{ cluster: false }],
  'ws.confirmations.ask': [{ kind: 'call.asked', to: { user: 'alice' }, message: 'Go on?', data: {}, taskId: 'task', step: 1, timeoutMs: 1, onTimeout: 'cancel', answer: schema, signal: AbortSignal.abort() }],
  'ws.confirmations.get': ['none'],
  'ws.confirmations.list': [{ userId: 'alice', taskId: 'task', status: 'pending', limit: 1, after: null }],
  'ws.confirmations.wait': ['none', { signal: new AbortController().signal }],
  'ws.confirmations.answer': ['none', { proceed: true }, { user_id: 'alice', client_id: null }],
  'ws.confirmations.cancel': ['none', 'why'],
  'ws.tasks.start': [{ userId: 'alice', taskId: 'task', title: 'Import' }],
  'ws.tasks.progress': ['task', 50, 'half'],
  'ws.tasks.log': ['task', 'a line', 'warn'],
  'ws.tasks.done': ['task', null],
  'ws.tasks.fail': ['none', 'why'],
  'ws.tasks.cancel': ['none', { userId: 'alice', by: { user_id: 'alice', client_id: null }, mustBeKnown: true }],
  'ws.tasks.get': ['task', { cluster: false }],
  'ws.tasks.list': ['alice', { limit: 1, after: null, cluster: false }],
  'context.send': [message],
  'context.join': ['room'],
  'context.leave': ['room']
}

type Caller = (method: MethodName, args: unknown[]) => unknown

/** An app of which each method can be called by name; those of a context on that of a handler. */
async function start (t: Test) {
  let context: HandlerContext | undefined
  let ws: WsManager | undefined
  const server = await startApp(t, { channels: { here: { presence: true } } }, {
    after: (app) => {
      ws = app.ws
      app.ws.handle('call.keep', { schema }, (_message, given) => { context = given })
    }
  })
  const client = await server.connect('alice')
  await client.request({ type: 'call.keep' })
  const call: Caller = (method, args) => {
    const path = method.split('.')
    const name = path.pop()!
    const [root, part] = path
    const owner = root === 'context' ? context : part === undefined ? ws : ws![part as 'tasks']
    return (owner as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!(...args)
  }
  return { server, ws: ws!, client, call }
}

/** Asserts that a call is refused: it rejects where the method is asynchronous, and throws where it is not. */
async function refused (t: Test, call: Caller, method: MethodName, args: unknown[], start: string): Promise<void> {
  const wanted = { code: 'WSM_ERR_INVALID_ARGUMENT', statusCode: 500 }
  const thrown: Error[] = []
  try {
    const answer = call(method, args)
    t.notOk((signatures[method] as Signature).isSync, `${method} throws`)
    await answer
  } catch (error) {
    thrown.push(error as Error)
  }
  t.match(thrown, [wanted], `${start} in ${method}`)
  t.ok(thrown[0]?.message.startsWith(`${method}(): ${start}`), `${thrown[0]?.message}: ${method}(): ${start}`)
}

t.test('every public method with arguments is in the table', async (t) => {
  const { ws } = await start(t)
  const withoutArguments = ['constructor', 'asyncapi', 'getConnectionCount', 'getHealth', 'getReadiness']
  const own = Object.getOwnPropertyNames(Manager.prototype).filter((name) => !withoutArguments.includes(name)).map((name) => `ws.${name}`)
  own.push('ws.handle')
  const parts = (['confirmations', 'tasks'] as const).flatMap((part) => Object.keys(ws[part]).map((name) => `ws.${part}.${name}`))
  t.same([...own, ...parts].sort(), methods.map(([method]) => method).filter((method) => !method.startsWith('context.')).sort())
})

t.test('valid arguments of public methods are accepted', async (t) => {
  const { call } = await start(t)
  for (const [method, { isSync }] of methods) {
    // The app listens already.
    if (method === 'ws.endpoint') {
      t.throws(() => call(method, good[method]), { code: 'WSM_ERR_INVALID_HANDLER' }, method)
      continue
    }
    try {
      const result = call(method, good[method])
      t.equal(result instanceof Promise, isSync !== true, `${method} answers when the table says`)
      const answer = await result
      if (method === 'ws.startHeartbeat' || method === 'ws.on') (answer as () => void)()
    } catch (error) {
      t.match(error, { code: 'WSM_ERR_NOT_FOUND' }, method)
    }
  }
})

t.test('every wrong or missing argument of every method is refused by name', async (t) => {
  const { call } = await start(t)
  for (const [method, { parameters }] of methods) {
    for (const [index, [key, parameter]] of Object.entries(parameters).entries()) {
      const name = key.replace('?', '')
      const replaced = (value: unknown) => good[method].map((given, at) => at === index ? value : given)
      if ((parameter as TSchema).type !== undefined || parameter.anyOf !== undefined || name === 'message') {
        await refused(t, call, method, replaced(parameter.type === 'Function' ? 'x' : () => {}), name)
        if (!key.endsWith('?')) await refused(t, call, method, good[method].slice(0, index), name)
      }
      if (parameter.additionalProperties === false) {
        await refused(t, call, method, replaced({ ...good[method][index] as object, histroy: false }), `${name}.histroy: `)
      }
    }
  }
})

t.test('a JavaScript caller is told what is wrong', async (t) => {
  const { call } = await start(t)
  const cases: Array<[MethodName, unknown[], string]> = [
    ['ws.on', ['clientConnected', nothing], 'event: Expected one of "client_connected", "client_disconnected", '],
    ['ws.handle', ['a.b', { schema }], 'handler: Expected function'],
    ['ws.endpoint', ['/x', { channels: ['a'] }], 'rule.authorize: Expected required property'],
    ['ws.endpoint', ['/x', good['ws.endpoint'][1], { scope: null }], 'options.scope: Expected object'],
    ['ws.disconnect', [], 'target: Expected string or object (the id of a socket, or { userId })'],
    ['ws.disconnect', [{ userId: 7 }], 'target.userId: Expected string'],
    ['ws.broadcast', [{ type: 'app.note', stream: 1 }], 'message.stream: Only the server can set this field'],
    ['ws.broadcast', [message, { ack: { retries: 3 } }], 'options.ack.retries: Unexpected property'],
    ['ws.revoke', [{}], 'target: The message is not valid: name one token'],
    ['ws.revoke', [{ jti: 5 }], 'target.jti: '],
    ['ws.tasks.list', ['alice', { limit: 0 }], 'options.limit: '],
    ['context.send', [{ type: 'reply' }], 'message.type: This type is reserved for the protocol'],
    ['ws.broadcast', [message, { histroy: false }], 'options.histroy: Unexpected property, did you mean "history"?'],
    ['ws.broadcast', [message, { except: ['x', 5] }], 'options.except[1]: Expected string'],
    ['ws.broadcast', [{ type: 'app.note', n: 1n }], 'message: It cannot be sent as JSON: '],
    ['ws.join', ['x', ['room']], 'channel: Expected string (Name of a channel)'],
    ['ws.declare', ['', schema], 'type: Expected string length greater or equal to 1'],
    ['ws.notifyUser', [{ step: 1, message: 'x', result: 1n }, { userId: 'alice', taskId: 'task' }], 'result: '],
    ['ws.notifyUser', [{ step: 1, message: 'x' }, { userId: 'alice', taskId: 'task', answer: Type.Object({ at: Type.Date() }) }], 'options.answer: The answer schema has a Type.Date'],
    ['ws.notifyUser', [{ message: 'x', step: {} }, { userId: 'alice', taskId: 'task' }], 'result.step: Expected string or number'],
    ['ws.tasks.done', ['task', 1n], 'result: ']
  ]
  await call('ws.tasks.start', good['ws.tasks.start'])
  for (const [method, args, says] of cases) await refused(t, call, method, args, says)
  t.equal((call('ws.tasks.get', ['task']) as { status: string }).status, 'running', 'nothing was done')
  await t.rejects(call('ws.tasks.list', ['alice', { limit: 0, cluster: true }]) as Promise<unknown>, { code: 'WSM_ERR_INVALID_ARGUMENT' }, 'of all nodes it answers later')
})

t.test('a number that is invalid or out of range is refused by name, and so is numeric text', async (t) => {
  const { call } = await start(t)
  const question = good['ws.notifyUser'][0]
  const numbers: Array<[MethodName, (value: unknown) => unknown[], string]> = [
    ['ws.tasks.progress', (value) => ['task', value], 'progress: '],
    ['ws.tasks.list', (limit) => ['alice', { limit }], 'options.limit: '],
    ['ws.confirmations.list', (limit) => [{ limit }], 'options.limit: '],
    ['ws.broadcast', (timeoutMs) => [message, { ack: { timeoutMs } }], 'options.ack.timeoutMs: '],
    ['ws.sendToClient', (tries) => ['x', message, { ack: { tries } }], 'options.ack.tries: '],
    ['ws.notifyUser', (timeoutMs) => [question, { userId: 'alice', taskId: 'task', timeoutMs }], 'options.timeoutMs: '],
    ['ws.startHeartbeat', (intervalMs) => [{ userId: 'alice', taskId: 'task', intervalMs }], 'options.intervalMs: '],
    ['ws.history', (offset) => ['all', { epoch: 'x', offset }], 'since.offset: '],
    ['ws.revoke', (expiresAt) => [{ jti: 'x', expiresAt }], 'target.expiresAt: '],
    ['ws.revoke', (issuedBefore) => [{ userId: 'x', issuedBefore }], 'target.issuedBefore: ']
  ]
  for (const [method, argsOf, says] of numbers) {
    for (const value of [NaN, Infinity, -5, '50', Symbol('x'), 1e15, null]) {
      // There is no last offset.
      if (value !== 1e15 || method !== 'ws.history') await refused(t, call, method, argsOf(value), says)
    }
  }
})

class Choices { history = false }

/** Options that are no plain object. */
const unplain = [new Map(), new Date(), new Choices(), Object.create({ history: false }), new Set(), Promise.resolve()]
const revoked = Proxy.revocable({}, {})
revoked.revoke()
/** Objects that throw when they are read. */
const unreadable = [
  revoked.proxy, new Proxy({}, { ownKeys () { throw new Error('unreadable') } }), new Proxy({}, { getPrototypeOf () { throw new Error('unreadable') } }),
  Object.defineProperty({}, 'history', { enumerable: true, get () { throw new Error('unreadable') } }), Object.defineProperty({}, 'history', { enumerable: true, get () { return Symbol('x') } })
]

t.test('options that are not a plain object, or unreadable, are refused by name', async (t) => {
  const { call } = await start(t)
  for (const [method, { parameters }] of methods) {
    for (const [index, [key, parameter]] of Object.entries(parameters).entries()) {
      if (parameter.additionalProperties !== false) continue
      const name = key.replace('?', '')
      for (const value of unplain.slice(0, 3)) await refused(t, call, method, good[method].map((given, at) => at === index ? Object.assign(value, good[method][index]) : given), name)
    }
  }
  for (const value of [...unplain, [], ...unreadable]) {
    await refused(t, call, 'ws.broadcast', [message, value], 'options')
    await refused(t, call, 'ws.sendToUser', ['alice', message, { ack: value }], 'options.ack'.slice(0, value === revoked.proxy || unreadable.includes(value) ? 7 : undefined))
  }
  await refused(t, call, 'ws.broadcast', [revoked.proxy], 'message: It cannot be read (')
  await refused(t, call, 'ws.broadcast', [new Proxy(message, { has () { throw new Error('unreadable') } })], 'message: It cannot be sent as JSON: unreadable')
  await call('ws.broadcast', [message, Object.assign(Object.create(null), { history: false })])
  await call('ws.broadcast', [message, new Proxy({ history: false }, {})])
})

t.test('the app\'s own fault is a 500 in its own route and internal to a client; in the plugin\'s routes it is the caller\'s', async (t) => {
  const wrong: Record<string, (ws: WsManager) => unknown> = {
    broadcast: (ws) => ws.broadcast({ type: 'app.declared', n: 'hunter2' }),
    user: (ws) => ws.sendToUser('', message),
    join: (ws) => ws.join('x', undefined as never),
    task: (ws) => ws.tasks.start({ userId: 5 as never }),
    list: (ws) => ws.tasks.list('alice', { limit: -1 }),
    question: (ws) => ws.notifyUser({ step: 1, message: 'x', result: 1n }, { userId: 'alice', taskId: 'task' }),
    revocation: (ws) => ws.revoke({} as never)
  }
  const server = await startApp(t, {}, {
    after: (app) => {
      app.ws.declare('app.declared', Type.Object({ n: Type.Number() }))
      for (const [name, act] of Object.entries(wrong)) {
        app.get(`/own/${name}`, async () => act(app.ws))
        app.ws.handle(`own.${name}`, { schema, rest: true }, () => act(app.ws))
      }
    }
  })
  const client = await server.connect('alice')
  for (const name of Object.keys(wrong)) {
    t.match(await server.rest('GET', `/own/${name}`), { status: 500, body: { code: 'WSM_ERR_INVALID_ARGUMENT' } }, name)
    t.match(await client.request({ type: `own.${name}` }), { code: 'internal', details: undefined }, name)
    t.match(await server.rest('POST', `/ws/call/own.${name}`, { as: 'alice', body: {} }), { status: 500, body: { code: 'WSM_ERR_INTERNAL' } }, name)
  }
  for (const path of ['/ws/broadcast', '/ws/users/alice/messages', '/ws/channels/room/messages', `/ws/clients/${client.id}/messages`]) {
    t.match(await server.rest('POST', path, { body: { message: { type: 'app.declared', n: 'x' } } }), { status: 400, body: { code: 'WSM_ERR_INVALID_MESSAGE', message: 'The message is not valid: /message/n: Expected number', details: [{ path: '/message/n' }] } }, path)
  }
})

t.test('a person\'s invalid answer that the app passes on is the person\'s fault', async (t) => {
  const { ws } = await start(t)
  const controller = new AbortController()
  const asked = ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task', answer: Type.Object({ gpu: Type.String() }), signal: controller.signal })
  const { confirmations: [question] } = await ws.confirmations.list()
  const by = { user_id: 'alice', client_id: null }
  await t.rejects(ws.confirmations.answer(question!.callback_id, { proceed: true, answer: {} }, by), { code: 'WSM_ERR_INVALID_MESSAGE', statusCode: 400 })
  await t.rejects(ws.confirmations.answer(question!.callback_id, { proceed: 'yes' as never }, by), { code: 'WSM_ERR_INVALID_ARGUMENT' })
  controller.abort()
  await asked
})

t.test('an unawaited call that fails is logged, and an awaited one rejects', async (t) => {
  const server = await startApp(t, {}, {
    after: ({ ws }) => ws.handle('call.join', { schema }, (_message, { join }) => { join('') })
  })
  const { ws } = server.app
  const lines = () => server.logs.filter(({ msg }) => msg === 'a call failed, and its result is not awaited')
  await Promise.all([
    t.rejects(ws.broadcast({}), { code: 'WSM_ERR_INVALID_ARGUMENT' }),
    ws.tasks.progress('none', 1).then(() => t.fail('there is no such task'), () => {}),
    ws.sendToUser('alice', {}).catch(() => {}),
    ws.sendToChannel('room', {}).finally(() => {}).catch(() => {}),
    (async () => ws.presence('room'))().catch(() => {})
  ])
  const client = await server.connect('alice')
  ws.broadcast({})
  ws.tasks.progress('none', 1)
  const late = ws.presence('room')
  await client.request({ type: 'call.join' })
  await until(() => lines().length === 4)
  t.strictSame(lines().map(({ level, method, err }) => [level, method, err.code]), [
    [50, 'ws.broadcast', 'WSM_ERR_INVALID_ARGUMENT'], [50, 'ws.tasks.progress', 'WSM_ERR_NOT_FOUND'], [50, 'ws.presence', 'WSM_ERR_NO_PRESENCE'],
    [50, 'context.join', 'WSM_ERR_INVALID_ARGUMENT']
  ])
  t.match(lines().at(-1), { client_id: client.id }, 'in the log of the handler')
  await t.rejects(late, { code: 'WSM_ERR_NO_PRESENCE' }, 'whoever comes later gets it all the same')
})
