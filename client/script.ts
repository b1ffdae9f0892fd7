import type { WsClient } from './client.js'
import { createClient } from './index.js'

export { createClient, WsError } from './index.js'

type Handler = (message: any) => unknown

/** Handlers that were registered before this script was there: `safeRegisterHandler` of the page's own snippet keeps them here. */
interface Page { wsHandlers?: [type: string, handler: Handler][], WsManager?: unknown }

const handlers = new Map<string, Set<Handler>>()

/** Handlers of messages by type, for pages without modules (row F6). */
export const WebSocketRegistry = {
  /** Calls the handler for every message of a type. Returns a function that takes it away. */
  register (type: string, handler: Handler): () => void {
    const its = handlers.get(type)
    if (its === undefined) handlers.set(type, new Set([handler]))
    else its.add(handler)
    return () => { handlers.get(type)?.delete(handler) }
  },
  /** Connects a client to the handlers. Its messages reach them from now on. */
  connect (client: WsClient<any>): WsClient<any> {
    client.on('message', async (message) => {
      for (const handler of handlers.get(message.type) ?? []) await handler(message)
    })
    return client
  }
}

/** Registers a handler, also one that was registered before this script had loaded. */
export const safeRegisterHandler = WebSocketRegistry.register

const page = globalThis as Page
for (const [type, handler] of page.wsHandlers ?? []) WebSocketRegistry.register(type, handler)
// What registers from now on is registered at once.
page.wsHandlers = { push: ([type, handler]: [string, Handler]) => { WebSocketRegistry.register(type, handler) } } as unknown as NonNullable<Page['wsHandlers']>
page.WsManager = { createClient, WebSocketRegistry, safeRegisterHandler }
