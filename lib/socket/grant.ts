/** Reason for a membership of a channel: the client subscribed and was allowed to, or the app added it. */
export type Grant = 'subscribed' | 'joined'
