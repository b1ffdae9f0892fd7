/* Compiled by ../../types.test.ts alone. */
import { Type } from '@sinclair/typebox'
import { defineContract } from 'fastify-ws-manager/contract'
import { createClient } from 'fastify-ws-manager/client'
import { defineElements, type Texts } from 'fastify-ws-manager/client/elements'

export const contract = defineContract({
  calls: { 'orders.summary': { data: Type.Object({ month: Type.Integer() }), reply: Type.String() }, 'orders.count': {} },
  confirmations: { 'order.large': { data: Type.Object({ amount: Type.Number() }), answer: Type.Object({ limit: Type.Number() }) }, 'order.late': {} }
})

declare const page: Document
declare const purify: { sanitize: (html: string) => DocumentFragment }

defineElements()
defineElements({ client: createClient({ url: '/ws' }) })
defineElements({ client: createClient<typeof contract>({ url: '/ws' }), sanitize: (html) => purify.sanitize(html), texts: { answer: 'Senden', faults: { tooLong: (limit) => limit } } })
// @ts-expect-error
defineElements({ texts: { answr: 'Senden' } })
// @ts-expect-error
defineElements({ texts: { faults: { tooLong: 5 } } })
// @ts-expect-error
defineElements({ client: {} })

const fragment = page.querySelector('ws-fragment')!
fragment.data = { month: 11 }
fragment.client = createClient<typeof contract>({ url: '/ws' })
page.querySelector('ws-confirmations')!.texts = { timeUp: 'Zu spät.' }
export const loading: Promise<void> = fragment.reload()
export const answer = (texts: Texts): string => texts.answer
