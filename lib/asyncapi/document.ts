import { SUBPROTOCOL } from '../../schemas/codes.js'
import { SocketQuery } from '../../schemas/rest.js'
import type { AsyncApiInput, Credentials } from './input.js'
import { ComponentSchemas, asJson, type JsonObject, type JsonSchema } from './component-schemas.js'
import { messagesOf, shareFields, type DescribedMessage } from './described-messages.js'
import { Names } from './names.js'
import { securityOf } from './security-schemes.js'

/** An AsyncAPI document as plain JSON, of which it can be read what it has in any case. */
export interface AsyncApiDocument {
  asyncapi: '3.0.0'
  info: { title: string, version: string, description?: string }
  defaultContentType: 'application/json'
  servers?: JsonObject
  channels: Record<string, JsonObject>
  operations: Record<string, JsonObject>
  components: { messages: Record<string, JsonObject>, schemas: Record<string, JsonSchema>, correlationIds: JsonObject, securitySchemes: JsonObject }
}

const SOCKET = '#/channels/socket'

/**
 * Describes the socket as AsyncAPI 3.0.0: all frames of the protocol, the app's messages, and its calls with their replies.
 *
 * The document takes the side of the server. By the specification `action: receive` means that the described application, here the
 * server, receives a message, and `send` that it sends one; a client generated from it does the reverse.
 */
export function asyncApi (input: AsyncApiInput): AsyncApiDocument {
  const { title, version, description } = input.info
  const components = new ComponentSchemas()
  shareFields(components)
  const messages = messagesOf(input, components)
  return {
    asyncapi: '3.0.0',
    info: { title, version, ...description !== undefined && { description } },
    defaultContentType: 'application/json',
    channels: { socket: socketChannel(input.path, messages), ...appChannels(input, messages) },
    operations: operationsOf(messages),
    components: {
      messages: Object.fromEntries(messages.map(({ key, body }) => [key, body])),
      schemas: components.schemas,
      correlationIds: { frame: { description: 'The id of a frame, which its reply or error repeats', location: '$message.payload#/id' } },
      securitySchemes: securityOf(input.credentials)
    }
  }
}

/** Describes the server that a reader reaches, for `servers`. @param origin of the HTTP server, for example `https://api.example` */
export function serversOf (origin: string, credentials: Credentials): JsonObject {
  const { protocol, host } = new URL(origin)
  return {
    server: {
      host,
      protocol: protocol === 'https:' ? 'wss' : 'ws',
      description: 'The WebSocket server. One of the credentials is enough.',
      security: Object.keys(securityOf(credentials)).map((name) => ({ $ref: `#/components/securitySchemes/${name}` }))
    }
  }
}

function socketChannel (path: string, messages: readonly DescribedMessage[]): JsonObject {
  return {
    address: path,
    title: 'The socket',
    description: 'All frames are JSON objects with a type. A frame of the client with an id gets exactly one reply or error with that id. ' +
      `The server selects the subprotocol ${SUBPROTOCOL} if the client offers it.`,
    messages: Object.fromEntries(messages.map(({ key }) => [key, { $ref: `#/components/messages/${key}` }])),
    bindings: { ws: { method: 'GET', query: asJson(SocketQuery), bindingVersion: '0.1.0' } }
  }
}

/**
 * Describes the channels of the app. They have no address of their own (null), so that nobody opens a socket for one: their messages
 * pass through the socket, where they have their operations.
 */
function appChannels ({ path, calls, channels }: AsyncApiInput, messages: readonly DescribedMessage[]): Record<string, JsonObject> {
  const types = new Map(Object.entries(channels).map(([pattern, { messages }]) => [pattern, messages.map((type) => `server ${type}`)]))
  for (const { type, channel } of calls) if (channel !== null) types.set(channel, [...types.get(channel) ?? [], `client ${type}`])
  const named = new Names()
  return Object.fromEntries([...types].map(([pattern, inIt]) => [named.free(`channel.${pattern.replaceAll('*', 'any')}`), {
    address: null,
    title: pattern,
    description: `Channels named ${pattern}, where * stands for any text. A client joins one by a subscribe frame on the socket at ${path}, over which its messages pass.`,
    messages: Object.fromEntries(messages.filter(({ from, type }) => inIt.includes(`${from} ${type}`)).map(({ key }) => [key, { $ref: `#/components/messages/${key}` }])),
    'x-channel-pattern': pattern
  }]))
}

function operationsOf (messages: readonly DescribedMessage[]): Record<string, JsonObject> {
  const refs = (keys: readonly string[]) => keys.map((key) => ({ $ref: `${SOCKET}/messages/${key}` }))
  const operations: Record<string, JsonObject> = {}
  for (const { key, from, body, answers } of messages) {
    // A reply belongs to the operation that it answers.
    if (from === 'reply') continue
    const [action, name] = from === 'client' ? ['receive', key.replace('client', 'receive')] : ['send', key.replace('server', 'send')]
    operations[name!] = {
      action,
      channel: { $ref: SOCKET },
      title: body.title,
      summary: body.summary,
      messages: refs([key]),
      ...answers.length > 0 && { reply: { channel: { $ref: SOCKET }, messages: refs(answers) } }
    }
  }
  return operations
}
