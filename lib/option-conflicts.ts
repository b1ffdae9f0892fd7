import type { AuthOptions } from './auth/options.js'
import { InvalidOptionError } from './errors.js'
import type { StreamOptions } from './streams/options.js'

/**
 * Refuses options that contradict each other: one of them could have no effect.
 *
 * @throws WSM_ERR_INVALID_OPTION that names the one without an effect
 */
export function assertNoConflicts ({ authenticate, verifyToken, auth, history, channels }: AuthOptions & StreamOptions): void {
  if (authenticate !== undefined && auth.firstFrame && verifyToken === undefined) {
    throw new InvalidOptionError('auth.firstFrame', 'needs verifyToken beside authenticate: without it no auth frame is taken')
  }
  const isSomeKept = history.enabled || Object.values(channels).some((rule) => typeof rule.history === 'object')
  if (!isSomeKept && history.recoverFrom === 'start') throw new InvalidOptionError('history.recoverFrom', 'is given while history.enabled is false: nothing is kept')
  for (const [pattern, { history: kept, recover, recoverFrom }] of Object.entries(channels)) {
    const field = recover !== undefined ? 'recover' : recoverFrom !== undefined ? 'recoverFrom' : null
    if (field === null) continue
    if (kept === false) throw new InvalidOptionError(`channels.${pattern}.${field}`, 'is given beside history: false: nothing is kept')
    if (!isSomeKept) throw new InvalidOptionError(`channels.${pattern}.${field}`, 'is given while history.enabled is false, and no rule has a history: nothing is kept')
  }
}
