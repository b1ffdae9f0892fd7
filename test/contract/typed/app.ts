/* Compiled by ../types.test.ts alone: what it registers would type every other test. */
import { Type as Type1 } from 'typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { UserConfirmation } from 'fastify-ws-manager'
import { defineContract, mergeContracts } from 'fastify-ws-manager/contract'

const chat = defineContract({
  messages: {
    'chat.message': Type.Object({ text: Type.String(), sent_at: Type.Optional(Type.Number()) }),
    'chat.typing': Type1.Object({ is_typing: Type1.Boolean() })
  },
  calls: {
    'chat.send': { data: Type.Object({ text: Type.String() }), reply: Type.Object({ sent_at: Type.Number() }), rest: true },
    'chat.leave': {},
    'chat.draw': { data: Type1.Object({ x: Type1.Number() }), channel: 'room-*' }
  },
  channels: { 'room-*': { messages: ['chat.message', 'chat.typing'], presence: true }, 'log-*-end': { messages: ['chat.typing'] } }
})
const training = defineContract({
  messages: { 'mail.new': { type: 'object', properties: { subject: { type: 'string' } }, required: ['subject'] } },
  confirmations: {
    'train.failed': { data: Type.Object({ epoch: Type.Integer() }), answer: Type.Object({ gpu: Type.String() }) },
    'train.over': {}
  }
})
export const contract = mergeContracts(chat, training)

declare module 'fastify-ws-manager' { interface Register { contract: typeof contract } }

/** True if two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const is = <T extends true>(_same?: T) => {}

export async function right ({ ws }: FastifyInstance, channel: string): Promise<void> {
  await ws.broadcast({ type: 'chat.message', text: 'hello' })
  await ws.sendToUser('alice', { type: 'mail.new', subject: 'hello' })
  await ws.sendToRole('editor', { type: 'chat.typing', is_typing: true }, { history: false })
  await ws.sendToClient('id', { type: 'chat.message', text: 'hello', sent_at: 1 })
  await ws.sendToChannel('room-7', { type: 'chat.typing', is_typing: true })
  await ws.sendToChannel('log-7-end', { type: 'chat.typing', is_typing: true })
  await ws.sendToChannel('lobby', { type: 'mail.new', subject: 'no rule names this channel' })
  await ws.sendToChannel(channel, { type: 'mail.new', subject: 'unknown until it runs' })
  ws.handle('chat.send', async (message, context) => {
    is<Same<typeof message.text, string>>()
    is<Same<typeof message.type, 'chat.send'>>()
    is<Same<Parameters<typeof context.reply>[0], { sent_at: number }>>()
    context.reply({ sent_at: 1 })
    context.send({ type: 'chat.message', text: message.text })
    return { sent_at: 1 }
  })
  ws.handle('chat.leave', { limits: { messagesPerSecond: 1, burst: 2 }, authorize: ({ user }) => user.id === 'alice' }, () => {})
  ws.handle('chat.leave', (_message, { reply }) => { reply('the contract does not say what this call replies') })
  ws.handle('chat.draw', (message, { channel }) => {
    is<Same<typeof message.x, number>>()
    is<Same<typeof message.channel, string>>()
    is<Same<typeof channel, string>>()
  })
  const question = await ws.confirmations.ask({ kind: 'train.failed', to: { user: 'alice' }, message: 'Again?', data: { epoch: 1 } })
  const end = await question.settled({ signal: AbortSignal.timeout(1) })
  is<Same<typeof end, UserConfirmation<{ gpu: string }>>>()
  if (end.outcome === 'confirmed') is<Same<typeof end.answer, { gpu: string }>>()
  await ws.confirmations.ask({ kind: 'train.over', to: { user: 'alice' }, message: 'Well?', timeoutMs: 1 })
}

export function wrong ({ ws }: FastifyInstance): void {
  // @ts-expect-error: no such message
  ws.broadcast({ type: 'chat.mesage', text: 'hello' })
  // @ts-expect-error: no type
  ws.broadcast({ text: 'hello' })
  // @ts-expect-error: a field of another type
  ws.broadcast({ type: 'chat.message', text: 1 })
  // @ts-expect-error: a missing field
  ws.sendToUser('alice', { type: 'chat.message' })
  // @ts-expect-error: a field that only the server sets
  ws.sendToUser('alice', { type: 'chat.message', text: 'hello', from: { user_id: 'alice' } })
  // @ts-expect-error: a field that the schema does not name
  ws.sendToRole('editor', { type: 'chat.message', txt: 'hello', text: 'hello' })
  // @ts-expect-error: a message that belongs in other channels
  ws.sendToChannel('room-7', { type: 'mail.new', subject: 'hello' })
  // @ts-expect-error: no such call
  ws.handle('chat.snd', () => {})
  // @ts-expect-error: no reply where the contract declares one
  ws.handle('chat.send', () => {})
  // @ts-expect-error: another reply
  ws.handle('chat.send', () => ({ sent_at: 'now' }))
  // @ts-expect-error: an early reply of another type
  ws.handle('chat.send', (_message, { reply }) => { reply({ sent_at: 'now' }); return { sent_at: 1 } })
  // @ts-expect-error: an early reply without data
  ws.handle('chat.send', { authorize: ({ reply }) => { reply({}); return true } }, () => ({ sent_at: 1 }))
  // @ts-expect-error: a message in place of the reply
  ws.handle('chat.send', (_message, { send }) => send({ type: 'chat.typing', is_typing: true }))
  // @ts-expect-error: a field that the call does not have
  ws.handle('chat.send', ({ txt }) => ({ sent_at: txt }))
  // @ts-expect-error: a schema, which the contract has
  ws.handle('chat.leave', { schema: Type.Object({}) }, () => {})
  // @ts-expect-error: no such message
  ws.handle('chat.leave', (_message, { send }) => { send({ type: 'chat.left' }) })
  // @ts-expect-error: no such kind
  ws.confirmations.ask({ kind: 'train.ended', to: { user: 'alice' }, message: 'Again?' })
  // @ts-expect-error: no data
  ws.confirmations.ask({ kind: 'train.failed', to: { user: 'alice' }, message: 'Again?' })
  // @ts-expect-error: other data
  ws.confirmations.ask({ kind: 'train.failed', to: { user: 'alice' }, message: 'Again?', data: { epoch: 'first' } })
  // @ts-expect-error: data of a kind that has none
  ws.confirmations.ask({ kind: 'train.over', to: { user: 'alice' }, message: 'Well?', data: { anything: true } })
  // @ts-expect-error: an answer schema, which the contract has
  ws.confirmations.ask({ kind: 'train.failed', to: { user: 'alice' }, message: 'Again?', data: { epoch: 1 }, answer: Type.String() })
}

export const faults = [
  // @ts-expect-error: a name without a namespace
  defineContract({ messages: { message: Type.Object({}) } }),
  // @ts-expect-error: a message that is no object
  defineContract({ messages: { 'chat.message': Type.String() } }),
  // @ts-expect-error: a field that only the server sets
  defineContract({ messages: { 'chat.message': Type.Object({ from: Type.String() }) } }),
  // @ts-expect-error: another type
  defineContract({ messages: { 'chat.message': Type.Object({ type: Type.Literal('chat.other') }) } }),
  // @ts-expect-error: a call without a namespace
  defineContract({ calls: { send: {} } }),
  // @ts-expect-error: a call of channels by REST
  defineContract({ calls: { 'chat.send': { channel: 'room-*', rest: true } } }),
  // @ts-expect-error: a kind without a namespace
  defineContract({ confirmations: { failed: {} } }),
  // @ts-expect-error: a message that the contract does not have
  defineContract({ messages: { 'chat.message': Type.Object({}) }, channels: { 'room-*': { messages: ['chat.typing'] } } }),
  // @ts-expect-error: no such part
  defineContract({ mesages: { 'chat.message': Type.Object({}) } }),
  // @ts-expect-error: no such part beside others
  defineContract({ messages: {}, cals: {} }),
  // @ts-expect-error: no such part of what is merged
  mergeContracts(chat, { confirmation: {} }),
  // @ts-expect-error: no such part beside others of what is merged
  mergeContracts({ messages: {}, confirmation: {} }, chat),
  // @ts-expect-error: a misspelt field of a call
  defineContract({ calls: { 'chat.send': { data: Type.Object({}), repyl: Type.Object({}) } } }),
  // @ts-expect-error: the only field of a call, misspelt
  defineContract({ calls: { 'chat.send': { dta: Type.Object({}) } } }),
  // @ts-expect-error: a misspelt field of a kind
  defineContract({ confirmations: { 'chat.leave': { anser: Type.Object({}) } } }),
  // @ts-expect-error: a misspelt field of a kind beside others
  defineContract({ confirmations: { 'chat.leave': { data: Type.Object({}), anser: Type.Object({}) } } }),
  // @ts-expect-error: a misspelt field of a channel rule
  defineContract({ channels: { 'room-*': { presense: true } } }),
  // @ts-expect-error: a misspelt field of a channel rule beside others
  defineContract({ channels: { 'room-*': { history: false, presense: true } } }),
  // @ts-expect-error: data with the frame's id
  defineContract({ calls: { 'chat.send': { data: Type.Object({ id: Type.Number() }) } } }),
  // @ts-expect-error: data with the frame's idempotency key
  defineContract({ calls: { 'chat.send': { data: Type.Object({ idempotency_key: Type.String() }) } } }),
  // @ts-expect-error: data with the frame's type
  defineContract({ calls: { 'chat.send': { data: Type1.Object({ text: Type1.String(), type: Type1.Literal('chat.send') }) } } }),
  // @ts-expect-error: data with the frame's id in one of several forms
  defineContract({ calls: { 'chat.send': { data: Type.Union([Type.Object({ text: Type.String() }), Type.Object({ id: Type.Number() })]) } } }),
  // @ts-expect-error: data with the frame's channel
  defineContract({ calls: { 'chat.send': { data: Type.Object({ channel: Type.String() }), channel: 'room-*' } } }),
  // @ts-expect-error: a field that only the server sets in one of several forms
  defineContract({ messages: { 'chat.message': Type.Union([Type.Object({ text: Type.String() }), Type.Object({ stream: Type.Number() })]) } }),
  defineContract({ messages: { 'chat.message': Type.Object({ type: Type.Literal('chat.message'), channel: Type.String(), id: Type.Number() }) } }),
  defineContract({ calls: { 'chat.send': { data: Type.Object({ channel: Type.String() }), rest: true }, 'chat.set': { data: Type.Record(Type.String(), Type.Number()) }, 'chat.any': { data: { type: 'object' } } } })
]
