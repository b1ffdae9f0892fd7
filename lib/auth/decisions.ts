/** Action of a REST route, as passed to `authorize`. */
export type RestAction =
  | 'status' | 'asyncapi' | 'broadcast' | 'send:user' | 'send:role' | 'send:channel' | 'send:client'
  | 'clients:list' | 'clients:read' | 'clients:disconnect'
  | 'channels:list' | 'channels:read' | 'history:read'
  | 'confirmations:list' | 'confirmations:read' | 'confirmations:cancel'
  | 'tasks:list' | 'tasks:read' | 'tasks:cancel'
  | 'revocations:create'

/** Target of a client's own `user`, `channel` or `client` frame. */
export interface SendTarget {
  kind: 'user' | 'channel' | 'client'
  /** Id of the user, channel or client. */
  id: string
  /** The message that would be delivered. */
  data: Readonly<Record<string, unknown>>
}

/** Decision on a join: allowed or not; `since` (milliseconds since 1970) limits recovery to messages from then on. */
export type JoinDecision = boolean | { since: number }
