/** What a REST route does, as `authorize` is asked about it. */
export type RestAction =
  | 'status' | 'broadcast' | 'send:user' | 'send:channel' | 'send:client'
  | 'clients:list' | 'clients:read' | 'clients:disconnect'
  | 'channels:list' | 'channels:read' | 'history:read'
  | 'confirmations:list' | 'confirmations:read' | 'confirmations:cancel'
  | 'tasks:list' | 'tasks:read' | 'tasks:cancel'
  | 'revocations:create'

/** What a client's own `user`, `channel` or `client` frame is addressed to. */
export interface SendTarget {
  kind: 'user' | 'channel' | 'client'
  /** The user's, channel's or client's id. */
  id: string
  /** The message that would be delivered. */
  data: Readonly<Record<string, unknown>>
}

/** Decision on a join: allowed or not; with `since` (milliseconds since 1970) no recovery returns older messages. */
export type JoinDecision = boolean | { since: number }
