import { WsClient, type ClientOptions } from './client.js'
import { openSocket } from './open-socket.js'

export { Channel, type ChannelOptions, type ChannelState, type ChannelStatus } from './channel.js'
export type { ClientFailure, ClientOptions, Me } from './client.js'
export { WsClient } from './client.js'
export { Confirmation, Confirmations, type AnyConfirmation } from './confirmations.js'
export type { GetToken, TokenReason } from './connection.js'
export type * from './contract-types.js'
export { WsError, type Delivery } from './errors.js'
export type { Feed } from './feed.js'
export type { ClientStorage } from './memory.js'
export type { StreamPosition } from './positions.js'
export type { CallOptions } from './requests.js'
export type { Status, StatusDetail } from './status.js'
export { Task, Tasks } from './tasks.js'

/**
 * Makes a client for a server with fastify-ws-manager, and connects: `createClient<typeof contract>({ url: '/ws', getToken })`.
 *
 * @throws TypeError if `url` is no URL, or is relative outside of a page
 */
export function createClient<C = unknown> (options: ClientOptions): WsClient<C> {
  return new WsClient<C>(options, openSocket)
}
