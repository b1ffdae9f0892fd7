/*
 * What dependents of the package write: the same text as an ES module and as CommonJS, by `import` and by `require()`. Types first, then the story
 * that every combination must play.
 */

/** Compiles as .mts, as .cts, and as .ts of either kind of package. */
export const TYPED = `
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import wsPlugin, {
  wsPlugin as named, AppError, closeCodes, errorCodes, errors, listenOptionsFromEnv, optionsFromEnv, SUBPROTOCOL,
  type Client, type ClientFrame, type CloseCode, type ErrorCode, type ServerFrame, type ServerFrameOf, type UserConfirmation, type WsManager, type WsPluginOptions
} from 'fastify-ws-manager'
import { redis, type RedisEngineOptions } from 'fastify-ws-manager/redis'

const limits: NonNullable<WsPluginOptions['limits']> = { maxConnections: 5, types: { 'cursor.*': { messagesPerSecond: 30, burst: 60 } } }
const engine: RedisEngineOptions = { prefix: 'app', commandTimeoutMs: undefined }
const options: WsPluginOptions = {
  jwt: { secret: 'x' }, limits, heartbeat: undefined, origins: undefined,
  authorizeSubscribe: (user, channel) => user?.id === channel,
  channels: { 'chat.*': { history: { size: 10, ttlMs: undefined }, presence: true } },
  engine: redis({ host: '127.0.0.1' }, engine)
}
const code: CloseCode = closeCodes.goingAway
const known: ErrorCode = errorCodes[0]
export const ping: ClientFrame<'ping'> = { timestamp: 1 }
export const pong: ServerFrameOf<'pong'> = { type: 'pong', timestamp: null, server_time: 1 }
export const any: ClientFrame = ping
export function codeOf (frame: ServerFrame): string | null { return frame.type === 'error' ? frame.code : null }

export async function start (): Promise<void> {
  const app = Fastify()
  await app.register(wsPlugin, optionsFromEnv(options))
  await app.register(named)
  const ws: WsManager = app.ws
  await app.listen(listenOptionsFromEnv({ port: 0 }))

  ws.handle('chat.send', { schema: Type.Object({ text: Type.String() }), reply: Type.Object({ length: Type.Number() }) }, ({ text, type, id }, { client, user }) => {
    const inferred: [string, string, string | number | undefined, Client | null, string | undefined] = [text, type, id, client, user?.id]
    return { length: inferred.length }
  })
  ws.handle('doc.edit', { channel: 'doc-*', schema: Type.Object({ line: Type.Optional(Type.Integer()) }) }, ({ line, channel }) => {
    const inferred: [number | undefined, string] = [line, channel]
    if (inferred.length > 5) throw new AppError('TOO_LONG', 'Too long', { statusCode: 402 })
    if (inferred.length > 6) throw new errors.ForbiddenError('Members only')
  })
  ws.declare('news.flash', Type.Object({ text: Type.String() }))
  const { proceed, answer, outcome }: UserConfirmation<{ gpu: string }> = await ws.notifyUser(
    { step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'import', answer: Type.Object({ gpu: Type.String() }) })
  const gpu: string | undefined = proceed && outcome === 'confirmed' ? answer?.gpu : undefined
  ws.on('client_disconnected', ({ client, code }) => { app.log.info([client.id.length, code.toFixed(), gpu]) })
  const { localRecipients }: { localRecipients: number } = await ws.broadcast({ type: 'news.flash', text: known }, { except: [], ack: undefined })
  app.get('/', async (request) => ({ user: request.wsUser?.id, localRecipients, code, SUBPROTOCOL }))
  try { await ws.revoke({ userId: 'alice' }) } catch (error) { if (error instanceof AppError) app.log.info(error.statusCode.toFixed()) }

  // @ts-expect-error: no such option
  await app.register(wsPlugin, { limits: { maxConnection: 5 } })
  // @ts-expect-error: the message has no such field
  ws.handle('chat.read', { schema: Type.Object({ text: Type.String() }) }, ({ test }) => test)
  // @ts-expect-error: the reply is not as declared
  ws.handle('chat.count', { schema: Type.Object({}), reply: Type.Object({ count: Type.Number() }) }, () => ({ count: 'many' }))
  // @ts-expect-error: no such event
  ws.on('client_connect', () => {})
  ws.declare('news.draft', { type: 'object', properties: { text: { type: 'string' } } })
  // @ts-expect-error: no schema
  ws.declare('news.end', 'object')
  // @ts-expect-error: nobody is asked
  await ws.notifyUser({ step: 1, message: 'Go on?' }, { taskId: 'import' })
}
`

/** The client with all its parts: compiles as .mts, as .cts, and as .ts of either kind of package, with the types of browsers. */
export const TYPED_CLIENT = `
import type { FastifyInstance } from 'fastify'
import { createClient, WsError, type ChannelState, type Confirmation, type Status, type StreamPosition, type WsClient } from 'fastify-ws-manager/client'
import { defineElements, type WsTaskElement } from 'fastify-ws-manager/client/elements'
import { createHooks } from 'fastify-ws-manager/client/react'
import { tabs } from 'fastify-ws-manager/client/tabs'
import { createTestClient, type TestClient } from 'fastify-ws-manager/testing'

const client: WsClient = createClient({ url: '/ws', getToken: async ({ reason }) => reason === 'connect' ? 'x' : null, storage: sessionStorage, tabs: tabs() })
const off: () => void = client.on('status', (status: Status, { retryAt }) => { console.log(status, retryAt?.toFixed()) })
client.on('message:chat.message', ({ type }) => type.length)
const room = client.channel('room-7', { getState: (): ChannelState<number[]> => ({ state: [1], position: null }) })
room.on('state', (state) => state.map((n) => n.toFixed()))
export const places: StreamPosition[] = []
export const questions: readonly Confirmation[] = client.confirmations.list
export const { useChannel, useStatus } = createHooks(client)
export async function use (app: FastifyInstance): Promise<WsTaskElement | null> {
  const alice: TestClient = await createTestClient(app, { user: 'alice' })
  const { type }: { type: string } = await alice.next('chat.message')
  try { await client.call('chat.send', { text: type }, { timeoutMs: 5 }) } catch (error) { if (error instanceof WsError && error.delivery === 'unknown') off() }
  defineElements({ client })
  return document.querySelector('ws-task')
}
// @ts-expect-error: no URL
createClient({ getToken: () => 'x' })
// @ts-expect-error: no such event
client.on('connect', () => {})
`

/**
 * Names what the types say of users and of a question's end.
 *
 * @param isAnonymous whether the app says that users can be anonymous
 */
export function registered (isAnonymous) {
  const user = isAnonymous ? 'User | null' : 'User'
  return `
import type {
  AuthorizeSend, AuthorizeSubscribe, Client, ConfirmedQuestion, EndpointRule, HandlerContext, User, UserConfirmation, WsEvents
} from 'fastify-ws-manager'
type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
type Channels = Extract<EndpointRule['channels'], (...parameters: never) => unknown>
export const handler: Is<HandlerContext['user'], ${user}> = true
export const client: Is<Client['user'], ${user}> = true
export const hooks: Is<Parameters<AuthorizeSubscribe>[0] | Parameters<AuthorizeSend>[0] | Parameters<EndpointRule['authorize']>[1] | Parameters<Channels>[1], ${user}> = true
export const events: Is<WsEvents['client_connected']['client']['user'] | WsEvents['identity_changed']['previous'], ${user}> = true
export const early: Is<WsEvents['message_received']['client']['user'] | WsEvents['message_failed']['user'], User | null> = true
export function by (end: UserConfirmation<{ gpu: string }>): string {
  if (end.outcome === 'confirmed') return end.answer.gpu + end.answered_by.user_id
  if (end.outcome === 'declined') return end.answered_by.user_id
  const nobody: undefined = end.answered_by
  // @ts-expect-error: nobody has answered
  return String(nobody) + end.answered_by.user_id
}
export const unknown: Is<ConfirmedQuestion['answer'], unknown> = true
`
}

/**
 * A contract with schemas of each kind, in the file of an app that has it alone.
 *
 * @param isCommonJs whether it is CommonJS, for which TypeScript does not let the file load the ES modules of TypeBox 1.x before 5.8
 */
export function contract (isCommonJs) {
  const flag = isCommonJs ? "{ type: 'object', properties: { is_on: { type: 'boolean' } }, required: ['is_on'] }" : 'Type1.Object({ is_on: Type1.Boolean() })'
  return `
import { Type } from '@sinclair/typebox'
${isCommonJs ? '' : "import { Type as Type1 } from 'typebox'"}
import { defineContract, mergeContracts, type Contract, type ContractParts, type Merged } from 'fastify-ws-manager/contract'

const news = defineContract({
  messages: {
    'news.flash': Type.Object({ text: Type.String() }),
    'news.flag': ${flag},
    'news.count': { type: 'object', properties: { count: { type: 'number' } }, required: ['count'] }
  },
  channels: { 'desk-*': { messages: ['news.flash'] } }
})
const desk = defineContract({
  calls: { 'desk.flag': { data: ${flag}, reply: { type: 'string' } } },
  confirmations: { 'desk.again': { data: { type: 'object', properties: { count: { type: 'number' } }, required: ['count'] }, answer: ${flag} } }
})
export const contract: Merged<[typeof news, typeof desk]> = mergeContracts(news, desk)
export const parts: ContractParts = contract
export const whole: Contract = contract
export const inferred = mergeContracts(news, desk)
export const defined = defineContract({ messages: { 'news.flash': Type.Object({ text: Type.String() }) } })

// @ts-expect-error: a name without a namespace
defineContract({ messages: { flash: Type.Object({}) } })
// @ts-expect-error: a message that is no object
defineContract({ messages: { 'news.flash': { type: 'string' } } })
// @ts-expect-error: a message that the contract does not have
defineContract({ channels: { 'desk-*': { messages: ['news.flash'] } } })
`
}

/** Right and wrong uses of that contract. */
export const USED = `
import type { FastifyInstance } from 'fastify'
import type { CallType, QuestionKind, ServerMessage } from 'fastify-ws-manager'

export const call: CallType = 'desk.flag'
export const kind: QuestionKind = 'desk.again'
export const message: ServerMessage = { type: 'news.count', count: 1 }
export async function use ({ ws }: FastifyInstance): Promise<void> {
  await ws.broadcast({ type: 'news.flash', text: 'hello' })
  await ws.broadcast({ type: 'news.flag', is_on: true })
  await ws.broadcast({ type: 'news.count', count: 1 })
  await ws.sendToChannel('desk-1', { type: 'news.flash', text: 'hello' })
  ws.handle('desk.flag', ({ is_on: isOn, type }) => {
    const inferred: [boolean, 'desk.flag'] = [isOn, type]
    return inferred.join()
  })
  const question = await ws.confirmations.ask({ kind: 'desk.again', to: { user: 'alice' }, message: 'Again?', data: { count: 1 } })
  const end = await question.settled()
  if (end.outcome === 'confirmed') end.answer.is_on satisfies boolean
  // @ts-expect-error: no text, as TypeBox 0.34 says
  await ws.broadcast({ type: 'news.flash', text: 1 })
  // @ts-expect-error: no boolean, as TypeBox 1.x says
  await ws.broadcast({ type: 'news.flag', is_on: 1 })
  // @ts-expect-error: no number, as JSON Schema says
  await ws.broadcast({ type: 'news.count', count: 'one' })
  // @ts-expect-error: no such message
  await ws.broadcast({ type: 'news.flush', text: 'hello' })
  // @ts-expect-error: a message of other channels
  await ws.sendToChannel('desk-1', { type: 'news.count', count: 1 })
  // @ts-expect-error: another reply
  ws.handle('desk.flag', () => 5)
  // @ts-expect-error: no data
  await ws.confirmations.ask({ kind: 'desk.again', to: { user: 'alice' }, message: 'Again?' })
}
`

/** The declaration of an app with that contract, in an ES module also where the app is CommonJS. */
export function registering (file) {
  return `
import 'fastify-ws-manager'
declare module 'fastify-ws-manager' { interface Register { contract: typeof import('./${file}').contract } }
`
}

/** The declaration of an app that knows anonymous users, in an ES module also where the app is CommonJS. */
export const REGISTER = `
import 'fastify-ws-manager'
declare module 'fastify-ws-manager' { interface Register { anonymous: true } }
`

/** CommonJS in TypeScript's own way. */
export const REQUIRED = `
import wsPlugin = require('fastify-ws-manager')
import wsRedis = require('fastify-ws-manager/redis')
import wsContract = require('fastify-ws-manager/contract')
import fastify = require('fastify')

const contract: wsContract.Contract = wsContract.defineContract({ calls: { 'news.read': {} } })
const options: wsPlugin.WsPluginOptions = { contract, engine: wsRedis.redis({ host: '127.0.0.1' }) }
fastify().register(wsPlugin, options)
fastify().register(wsPlugin.default, options)
fastify().register(wsPlugin.wsPlugin, options)
const code: wsPlugin.CloseCode = wsPlugin.closeCodes.forbidden
function isRefusal (error: unknown): error is wsPlugin.AppError { return error instanceof wsPlugin.AppError }
export = { code, isRefusal }
`

/** How each kind of file loads the package, and what the story reads. */
const HEADS = {
  import: `
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import { Type as Type1 } from 'typebox'
import wsPlugin, { wsPlugin as named, AppError, closeCodes, errors } from 'fastify-ws-manager'
import { defineContract, mergeContracts } from 'fastify-ws-manager/contract'
import { redis } from 'fastify-ws-manager/redis'
import { createClient, WsError } from 'fastify-ws-manager/client'
import { defineElements } from 'fastify-ws-manager/client/elements'
import { createHooks } from 'fastify-ws-manager/client/react'
import { tabs } from 'fastify-ws-manager/client/tabs'
import { createTestClient } from 'fastify-ws-manager/testing'`,
  require: `
const Fastify = require('fastify')
const { Type } = require('@sinclair/typebox')
const { Type: Type1 } = require('typebox')
const wsPlugin = require('fastify-ws-manager')
const { default: named, AppError, closeCodes, errors } = require('fastify-ws-manager')
const { defineContract, mergeContracts } = require('fastify-ws-manager/contract')
const { redis } = require('fastify-ws-manager/redis')
const { createClient, WsError } = require('fastify-ws-manager/client')
const { defineElements } = require('fastify-ws-manager/client/elements')
const { createHooks } = require('fastify-ws-manager/client/react')
const { tabs } = require('fastify-ws-manager/client/tabs')
const { createTestClient } = require('fastify-ws-manager/testing')`
}

/** Connects with a token, broadcasts what a contract with schemas of each kind has, asks and is answered; then ends by itself. */
const STORY = `
const contract = mergeContracts(
  defineContract({ messages: { 'news.flash': Type.Object({ text: Type.String() }), 'news.flag': Type1.Object({ is_on: Type1.Boolean() }) } }),
  defineContract({ messages: { 'news.count': { type: 'object', properties: { count: { type: 'number' } }, required: ['count'] } } })
)
async function main () {
  if (wsPlugin !== named || closeCodes.goingAway !== 1001) throw new Error('the face is not whole')
  if (!(new AppError('NO', 'no') instanceof Error) || new errors.ForbiddenError('no').statusCode !== 403) throw new Error('the errors are not')
  const app = Fastify()
  // host
  const engine = process.env.REDIS_PORT === undefined ? undefined : redis({ host: '127.0.0.1', port: Number(process.env.REDIS_PORT) }, { prefix: process.env.REDIS_PREFIX })
  await app.register(wsPlugin, { jwt: { secret: 'a secret that is long enough for a test' }, contract, engine })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const token = app.jwt.sign({ sub: 'alice' }, { expiresIn: '1h' })
  const { port } = app.server.address()
  const socket = new WebSocket('ws://127.0.0.1:' + port + '/ws', ['ws-manager.v1', 'bearer.' + token])
  const frames = []
  let heard = () => {}
  socket.onmessage = ({ data }) => { frames.push(JSON.parse(data)); heard() }
  const next = async (type) => {
    for (;;) {
      const frame = frames.find((frame) => frame.type === type)
      if (frame !== undefined) return frame
      await new Promise((resolve) => { heard = resolve })
    }
  }
  const { data: { user_id: userId } } = await next('connection')
  for (const wrong of [{ type: 'news.flash', text: 1 }, { type: 'news.flag', is_on: 1 }, { type: 'news.count', count: 'one' }, { type: 'news.other' }]) {
    const refusal = await app.ws.broadcast(wrong).catch(({ code }) => code)
    if (refusal !== 'WSM_ERR_INVALID_ARGUMENT') throw new Error(JSON.stringify(wrong) + ' is not refused')
  }
  await app.ws.broadcast({ type: 'news.flash', text: 'hello' })
  await app.ws.broadcast({ type: 'news.flag', is_on: true })
  await app.ws.broadcast({ type: 'news.count', count: 1 })
  const { text } = await next('news.flash')
  if (!(await next('news.flag')).is_on || (await next('news.count')).count !== 1) throw new Error('the messages are not whole')
  const asked = app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId, taskId: 'import' })
  const { callback_id } = await next('task_step_result')
  socket.send(JSON.stringify({ type: 'confirm', callback_id, proceed: true }))
  const { proceed, outcome, answered_by: { user_id: by } } = await asked
  socket.close()
  // bundled
  const alice = await createTestClient(app, { user: 'alice' })
  const plain = createClient({ url: 'http://127.0.0.1:' + port + '/ws', getToken: () => token, tabs: tabs() })
  await plain.ready()
  await app.ws.sendToUser('alice', { type: 'news.flash', text: 'to the client' })
  if ((await alice.next('news.flash')).text !== 'to the client' || plain.me.userId !== 'alice') throw new Error('the client does not work')
  plain.close()
  const refused = await plain.call('news.read', {}, { offline: 'fail' }).catch((error) => error)
  if (!(refused instanceof WsError) || refused.code !== 'closed') throw new Error('the error of a call is none of the client')
  if (typeof createHooks().useStatus !== 'function' || defineElements() !== undefined) throw new Error('the parts for pages are not whole')
  const script = await fetch('http://127.0.0.1:' + port + '/ws/client.js')
  if (!(await script.text()).includes('safeRegisterHandler')) throw new Error('the script of the client is not served')
  await app.close()
  console.log(JSON.stringify([text, proceed, outcome, by]))
}
main().catch((error) => { console.error(error); process.exitCode = 1 })
`

/** The line that the story ends with. */
export const STORY_ENDS = '["hello",true,"confirmed","alice"]'

/**
 * @param how 'import' or 'require'
 * @param webSocket 'global' for runtimes that have a client of their own, or 'ws'
 * @param isBundled whether it runs where no package is found; there the client needs a WebSocket that it is given on Node.js 20
 * @param hasHost whether the app has registered @fastify/websocket itself
 */
export function story (how, { webSocket = 'global', isBundled = false, hasHost = false } = {}) {
  const socket = webSocket === 'global' ? '' : how === 'import' ? "\nimport { WebSocket } from 'ws'" : "\nconst { WebSocket } = require('ws')"
  const host = hasHost ? "await app.register((await import('@fastify/websocket')).default)" : ''
  return `${HEADS[how]}${socket}\n${STORY.replace('// host', host).replace('// bundled', isBundled ? 'globalThis.WebSocket ??= WebSocket' : '')}`
}

/** CommonJS as the compiler makes it of imports. */
export const IMPORTED = `
import wsPlugin, { wsPlugin as named, AppError } from 'fastify-ws-manager'
import * as all from 'fastify-ws-manager'
import { defineContract } from 'fastify-ws-manager/contract'
import { redis } from 'fastify-ws-manager/redis'
console.log(JSON.stringify([wsPlugin === named, wsPlugin === all.default, AppError === all.AppError, typeof wsPlugin, typeof redis, typeof defineContract]))
`
export const IMPORTED_ENDS = '[true,true,true,"function","function","function"]'

/** One copy at run time: whoever has loaded the package otherwise takes the errors of the other for the same. */
export const ONE_COPY = `
const { AppError, errors, default: plugin } = require('fastify-ws-manager')
import('fastify-ws-manager').then((face) => {
  const all = [new face.AppError('NO', 'no') instanceof AppError, new AppError('NO', 'no') instanceof face.AppError,
    new face.errors.ForbiddenError('no') instanceof errors.ForbiddenError, plugin === face.default, require('fastify-ws-manager') === face.wsPlugin]
  const missing = Object.keys(face).filter((name) => require('fastify-ws-manager')[name] !== face[name])
  console.log(JSON.stringify([all, missing]))
})
`
export const ONE_COPY_ENDS = '[[true,true,true,true,true],[]]'

/** An app whose own routes are typed by `@fastify/type-provider-typebox` 6, and so by TypeBox 1.x: compiles, and plays itself. */
export const TYPED_HOST = `
import Fastify from 'fastify'
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import wsPlugin from 'fastify-ws-manager'
import { WebSocket } from 'ws'

type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
await app.register(wsPlugin, { jwt: { secret: 'a secret that is long enough for a test' } })
const Sum = Type.Object({ a: Type.Number(), b: Type.Number() })
app.post('/sum', { schema: { body: Sum, response: { 200: Type.Object({ sum: Type.Number() }) } } }, async ({ body }, reply) => {
  const isTyped: Is<typeof body, { a: number, b: number }> = true
  // @ts-expect-error: another answer
  if (!isTyped) return reply.send({ sum: 'none' })
  return { sum: body.a + body.b }
})
app.ws.handle('app.sum', { schema: Sum, reply: Type.Number(), rest: true }, ({ a, b }) => {
  const isTyped: Is<[typeof a, typeof b], [number, number]> = true
  return isTyped ? a + b : 0
})
// @ts-expect-error: another reply
app.ws.handle('app.text', { schema: Sum, reply: Type.Number() }, () => 'none')
app.ws.declare('app.summed', Type.Object({ sum: Type.Number() }))
await app.listen({ port: 0, host: '127.0.0.1' })

const token = app.jwt.sign({ sub: 'alice', roles: ['ws:admin'] }, { expiresIn: '1h' })
const socket = new WebSocket(app.listeningOrigin.replace('http', 'ws') + '/ws', ['ws-manager.v1', 'bearer.' + token])
const frames: Array<Record<string, unknown>> = []
let heard = () => {}
socket.on('message', (data) => { frames.push(JSON.parse(String(data))); heard() })
const next = async (type: string): Promise<Record<string, unknown>> => {
  for (;;) {
    const frame = frames.find((frame) => frame['type'] === type)
    if (frame !== undefined) return frame
    await new Promise<void>((resolve) => { heard = resolve })
  }
}
const rest = async (method: string, path: string, body?: object) => {
  const answer = await app.inject({ method: method as 'GET', url: path, headers: { authorization: 'Bearer ' + token }, ...body === undefined ? {} : { payload: body } })
  return [answer.statusCode, answer.json().code ?? null]
}
await next('connection')
const answers = [
  await rest('POST', '/sum', { a: 1, b: 2 }),
  await rest('POST', '/sum', { a: 1 }),
  await rest('POST', '/ws/call/app.sum', { a: 1, b: 2 }),
  await rest('POST', '/ws/call/app.sum', { a: 1 }),
  await rest('POST', '/ws/broadcast', { message: { type: 'app.summed', sum: 3 } }),
  await rest('POST', '/ws/broadcast', { message: { type: 'app.summed', sum: 'none' } }),
  await rest('GET', '/ws/status'),
  await rest('GET', '/ws/clients?limit=many')
]
const { sum } = await next('app.summed')
socket.send(JSON.stringify({ type: 'app.sum', id: 1, a: 1, b: 'none' }))
const { code } = await next('error')
socket.send(JSON.stringify({ type: 'app.sum', id: 2, a: 1, b: 2 }))
const { data } = await next('reply')
socket.close()
await app.close()
console.log(JSON.stringify([...answers, sum, code, data]))
`
export const TYPED_HOST_ENDS = JSON.stringify([
  [200, null], [400, 'FST_ERR_VALIDATION'], [200, null], [400, 'WSM_ERR_INVALID_MESSAGE'], [200, null], [400, 'WSM_ERR_INVALID_MESSAGE'], [200, null], [400, 'WSM_ERR_INVALID_MESSAGE'],
  3, 'invalid_message', 3
])
