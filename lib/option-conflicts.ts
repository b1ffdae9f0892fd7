import type { AuthOptions } from './auth/options.js'
import type { ContractParts } from './contract/parts.js'
import { InvalidOptionError } from './errors.js'
import type { StreamOptions } from './streams/options.js'

/**
 * Refuses options that contradict each other, so that one of them has no effect.
 *
 * @throws WSM_ERR_INVALID_OPTION that names the option without an effect
 */
export function assertNoConflicts ({ authenticate, verifyToken, auth, history, channels: own, contract }: AuthOptions & StreamOptions & { contract?: ContractParts }): void {
  const ofContract: StreamOptions['channels'] = contract?.channels ?? {}
  const rules = [...Object.entries(ofContract), ...Object.entries(own)]
  if (authenticate !== undefined && auth.firstFrame && verifyToken === undefined) {
    throw new InvalidOptionError('auth.firstFrame', 'needs verifyToken beside authenticate: without it every auth frame is refused')
  }
  const isSomeKept = history.enabled || rules.some(([, rule]) => typeof rule.history === 'object')
  if (!isSomeKept && history.recoverFrom === 'start') throw new InvalidOptionError('history.recoverFrom', 'has no effect while history.enabled is false')
  for (const [pattern, { history: kept, recover, recoverFrom }] of rules) {
    const field = recover !== undefined ? 'recover' : recoverFrom !== undefined ? 'recoverFrom' : null
    if (field === null) continue
    if (kept === false) throw new InvalidOptionError(`channels.${pattern}.${field}`, 'has no effect beside history: false')
    if (!isSomeKept) throw new InvalidOptionError(`channels.${pattern}.${field}`, 'has no effect while history.enabled is false and no rule has a history')
  }
}
