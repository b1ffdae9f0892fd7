/** Errors while a slot or the role of master moves, or a server loads its data. */
const PASSING = ['MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY']

/** Whether an error is what Redis itself answered. */
export function isReply (error: unknown, code = ''): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith(code)
}

/** Returns true where Redis did nothing, for a reason that passes: a retry may succeed, perhaps on another server. */
export function isPassing (error: unknown): boolean {
  return PASSING.some((code) => isReply(error, `${code} `))
}
