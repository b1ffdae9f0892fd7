/** Errors while a slot or the master role moves, or a server loads its data. */
const PASSING = ['MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY']

/** Returns true for an error reply of Redis itself. */
export function isReply (error: unknown, code = ''): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith(code)
}

/** Returns true if Redis did nothing for a transient reason: a retry may succeed, perhaps on another server. */
export function isPassing (error: unknown): boolean {
  return PASSING.some((code) => isReply(error, `${code} `))
}
