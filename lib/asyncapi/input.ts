import type { JsonSchema } from './component-schemas.js'

/** What an AsyncAPI document is made of. All schemas are JSON Schema; references in them can also be by name, as in TypeBox. */
export interface AsyncApiInput {
  info: { title: string, version: string, description?: string | undefined }
  /** Path of the socket in its URL. */
  path: string
  credentials: Credentials
  /** Messages that the app sends. */
  messages: readonly AppMessage[]
  /** True if the app sends no other messages. */
  isClosed: boolean
  /** Frames of clients that the app handles. */
  calls: readonly AppCall[]
  /** Questions to people, by kind. */
  confirmations: Readonly<Record<string, AppQuestion>>
  /** Channels, by the pattern of their names, with the types of the messages in them. */
  channels: Readonly<Record<string, { messages: readonly string[] }>>
}

/** A message that the app sends. */
export interface AppMessage { type: string, schema: JsonSchema }
/** A frame that the app handles. `reply` is the schema of its result, `channel` the pattern of the channels whose members may send it. */
export interface AppCall { type: string, schema: JsonSchema, reply: JsonSchema, channel: string | null, isRest: boolean }
/** What a question shows, and what is answered. */
export interface AppQuestion { data?: JsonSchema, answer?: JsonSchema }

/** How clients may say who they are, beside a ticket. */
export interface Credentials {
  /** Tokens are JWTs in a header or a subprotocol; false: the app identifies users itself, in a way that only it knows. */
  isJwt: boolean
  /** Name of the cookie that may hold the token; null: none may. */
  cookie: string | null
}
