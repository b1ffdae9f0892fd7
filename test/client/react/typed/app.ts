/* Compiled by ../../types.test.ts alone. */
import { Type } from '@sinclair/typebox'
import { createElement } from 'react'
import { defineContract } from 'fastify-ws-manager/contract'
import { createClient } from 'fastify-ws-manager/client'
import { createHooks, type Hooks, type UsedCall } from 'fastify-ws-manager/client/react'

export const contract = defineContract({
  messages: {
    'chat.message': Type.Object({ text: Type.String() }),
    'chat.typing': Type.Object({ is_typing: Type.Boolean() }),
    'mail.new': Type.Object({ subject: Type.String() })
  },
  calls: {
    'orders.place': { data: Type.Object({ article: Type.String() }), reply: Type.Object({ number: Type.Integer() }) },
    'orders.count': { reply: Type.Object({ count: Type.Integer() }) },
    'chat.send': { data: Type.Object({ text: Type.String() }), reply: Type.Object({ sent_at: Type.Number() }), channel: 'room-*' }
  },
  confirmations: {
    'order.large': { data: Type.Object({ amount: Type.Number() }), answer: Type.Object({ limit: Type.Number() }) },
    'order.late': {}
  },
  channels: { 'room-*': { messages: ['chat.message', 'chat.typing'] } }
})

/** True if two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const is = <T extends true>(_same?: T) => {}

const ws = createClient<typeof contract>({ url: '/ws' })
export const fromClient = createHooks(ws)
export const { WsProvider, useClient, useStatus, useChannel, usePresence, useTask, useTasks, useConfirmations, useCall } = createHooks<typeof contract>()
is<Same<typeof fromClient, Hooks<typeof contract>>>()

export function right () {
  const connection = useStatus()
  if (connection.status !== 'connected') connection.reason?.trim()
  is<Same<typeof connection.status, 'connecting' | 'connected' | 'reconnecting' | 'restarting' | 'offline' | 'signed-out' | 'closed'>>()
  is<Same<typeof connection.retryAt, number | undefined>>()
  const room = useChannel('room-7', {
    on: {
      'chat.message': ({ text, from }) => [text.length, from?.user_id],
      'chat.typing': async (message) => { is<Same<typeof message.is_typing, boolean>>() }
    },
    getState: async ({ signal }) => ({ state: { lines: [signal.aborted ? 'a' : 'b'] }, position: { epoch: 'e', offset: 1 } }),
    onState: (state) => { is<Same<typeof state, { lines: string[] }>>() },
    onMessage: (message) => { if (message.type === 'chat.typing') is<Same<typeof message.is_typing, boolean>>() },
    onGap: () => {}
  })
  is<Same<typeof room.status, 'joining' | 'loading' | 'live' | 'refused' | 'left'>>()
  room.call('chat.send', { text: 'hello' }).then(({ sent_at: at }) => at.toFixed())
  // @ts-expect-error
  room.call('orders.count')
  // @ts-expect-error
  useChannel('room-7', { on: { 'mail.new': () => {} } })
  // @ts-expect-error
  useChannel('room-7', { on: { 'chat.message': ({ txt }) => txt } })
  // @ts-expect-error
  useChannel('room-7', { onMessage: (message) => message.type === 'mail.new' })
  useChannel(null)

  const order: UsedCall<{ article: string }, { number: number }> = useCall('orders.place')
  is<Same<typeof order.data, { number: number } | undefined>>()
  order.call({ article: 'book' }, { timeoutMs: 1_000 }).then(({ number }) => number.toFixed())
  // @ts-expect-error
  order.call({ article: 1 })
  // @ts-expect-error
  order.call()
  useCall('orders.count').call()
  useCall('chat.send', { channel: 'room-7' }).call({ text: 'hello' })
  // @ts-expect-error
  useCall('chat.send')
  // @ts-expect-error
  useCall('orders.nothing')

  for (const confirmation of useConfirmations()) {
    if (confirmation.kind === 'order.large') {
      is<Same<typeof confirmation.data, { amount: number }>>()
      confirmation.answer({ limit: 5 })
      // @ts-expect-error
      confirmation.answer({ limit: 'five' })
    }
  }
  is<Same<ReturnType<typeof usePresence>, readonly string[]>>()
  const titles: ReadonlyArray<string | null> = useTasks().map(({ title }) => title)
  useClient().user.on('mail.new', ({ subject }) => subject)
  return createElement(WsProvider, { client: ws }, useTask('1')?.title, titles)
}

export function withoutContract () {
  const { useChannel, useCall } = createHooks()
  useChannel('room', { on: { 'a.b': (message) => message.text }, onGap: () => {} })
  useCall('a.c').call({ x: 1 })
  useCall('a.d', { channel: 'room' }).call()
}
