import { Type, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import { Description } from '../../lib/asyncapi/description.js'
import type { HandlerEntry } from '../../lib/protocol/handlers.js'

t.test('the document is made again after any change of what is declared, and only then', (t) => {
  const call = (type: string) => ({ type, schema: Type.Object({}), reply: Type.Unknown(), channel: null, isRest: false }) as unknown as HandlerEntry
  const entries = [call('chat.send')]
  const schemas = new Map<string, TSchema>([['chat.message', Type.Object({ text: Type.String() })]])
  const description = new Description({ info: { title: 'test', version: '1' }, path: '/ws', credentials: { isJwt: false, cookie: null }, handlers: { entries }, outbound: { schemas }, contract: null })
  const first = description.json(null)
  t.equal(description.json(null), first)
  const keys = () => Object.keys(description.document(null).components.messages).filter((key) => /chat/.test(key))
  t.strictSame(keys(), ['client.chat.send', 'reply.chat.send', 'server.chat.message'])
  schemas.set('chat.message', Type.Object({ text: Type.Number() }))
  t.match(description.document(null).components.schemas.ServerChatMessage, { properties: { text: { type: 'number' } } }, 'a message that is declared anew')
  entries[0] = call('chat.read')
  t.strictSame(keys(), ['client.chat.read', 'reply.chat.read', 'server.chat.message'], 'a call in place of another')
  const schema = schemas.get('chat.message')!
  schemas.delete('chat.message')
  schemas.set('chat.left', schema)
  t.strictSame(keys(), ['client.chat.read', 'reply.chat.read', 'server.chat.left'], 'another type of the same schema')
  entries.pop()
  schemas.set('chat.new', schema)
  t.strictSame(keys(), ['server.chat.left', 'server.chat.new'], 'one less, and another more')
  t.end()
})
