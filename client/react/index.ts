export type { CallState } from './call-store.js'
export type { ChannelView, UseChannelOptions } from './channel-store.js'
export { createHooks, type ConnectionState, type Hooks, type UsedCall, type UsedChannel } from './hooks.js'
