/** Why a connection is a member of a channel: it subscribed and was allowed to, or the app put it there. */
export type Grant = 'subscribed' | 'joined'
