import { InvalidOptionError } from '../../errors.js'
import { unavailable } from './deadline.js'
import type { Keys } from './keys.js'

/** Area of a fault: permissions of the Redis user, other configuration, state of the server, or the network. */
type FaultKind = 'access' | 'configuration' | 'state' | 'network'

/** Servers of version 7.0 do not name the command. */
const CANNOT_RUN = /can't run this command/
const UNNAMED = 'its user may not run a command that scripts call'

interface Fault { kind: FaultKind, text: string }

/**
 * Error texts of Redis, OpenSSL and the operating system, and their explanations. `*` in an explanation stands for the name
 * pattern of this engine's keys and channels.
 */
const FAULTS: readonly [says: RegExp, kind: FaultKind, text: (found: RegExpExecArray) => string][] = [
  [/^WRONGPASS/, 'access', () => 'it refuses this user name and password (WRONGPASS), or the user is disabled'],
  [/NOAUTH/, 'access', () => 'it requires a password, and none was given (NOAUTH)'],
  [/permissions to run the '([^']+)' command/, 'access', ([, names]) =>
    `its user may not run ${names!.toLowerCase()}: allow it with ${names!.toLowerCase().split(', ').map((name) => `+${name}`).join(' ')}`],
  [CANNOT_RUN, 'access', () => UNNAMED],
  [/(?:permissions|can't) .*channel/i, 'access', () => 'its user may not use the channels: allow them with &*'],
  [/(?:permissions|can't) .*key/i, 'access', () => 'its user may not use the keys: allow them with ~*'],
  [/^NOPERM.*/, 'access', ([text]) => `it denies its user a permission (${text})`],
  [/^OOM/, 'state', () => 'it refuses writes because it has reached its maxmemory (OOM): raise it, or lower history.maxBytes'],
  [/^MISCONF/, 'state', () => 'it refuses writes because it cannot save to disk (MISCONF)'],
  [/^NOREPLICAS/, 'state', () => 'it refuses writes because it has too few replicas (NOREPLICAS, min-replicas-to-write)'],
  [/DB index is out of range/, 'configuration', () => 'it has no database with this number (option db)'],
  [/(.*(?:wrong version number|SSL|TLS|certificate).*)/i, 'configuration', ([, text]) => `the TLS handshake failed (${text})`],
  [/((?:connect|getaddrinfo|read) E[A-Z_]+.*)/, 'network', ([, text]) => `the connection failed (${text})`]
]

/** ioredis wraps the errors of a cluster's servers in others. */
const MAX_DEPTH = 5

function faultOf (error: unknown): Fault | null {
  let inner = error
  for (let depth = 0; depth < MAX_DEPTH && inner instanceof Error; depth++) {
    const { message, cause, lastNodeError } = inner as Error & { lastNodeError?: unknown }
    for (const [pattern, kind, text] of FAULTS) {
      const found = pattern.exec(message)
      if (found !== null) return { kind, text: text(found) }
    }
    inner = lastNodeError ?? cause
  }
  return null
}

/**
 * Creates the error of a call that Redis refused, with the missing command and permission if they are known. Clients are only
 * told that it was refused.
 *
 * @param script the script that was run: servers of version 7.0 report its line instead of the command
 */
export function refusal (what: string, error: unknown, script?: { readonly source: string }): Error {
  const reason = `it refused ${what}`
  const { message } = error as Error
  const line = /user_script:(\d+)/.exec(message)?.[1]
  const command = line === undefined ? undefined : /redis\.p?call\('(\w+)'/.exec(script?.source.split('\n')[Number(line) - 1] ?? '')?.[1]
  const fault = faultOf(command !== undefined && CANNOT_RUN.test(message) ? notPermitted([command]) : error)
  // The log has the patterns of the names, with the whole rule.
  const text = fault?.text.replace(/: allow them with [~&]\*$/, '') ?? message
  return Object.assign(unavailable(`${reason}: ${text}`, error), { clientMessage: unavailable(reason).message })
}

/** Returns true for a refusal that does not name the missing command. */
export function isUnnamed (error: unknown): boolean {
  return error instanceof Error && error.message.endsWith(UNNAMED)
}

/** Returns true if Redis denies its user a command, key or channel. */
export function isAccessDenied (error: unknown): boolean {
  return faultOf(error)?.kind === 'access'
}

/** Returns true for a fault that lasts until a configuration is changed, so retrying is futile. */
export function isLasting (error: unknown): boolean {
  const kind = faultOf(error)?.kind
  return kind === 'access' || kind === 'configuration'
}

/** Minimal permissions of the Redis user, in the syntax of `ACL SETUSER`. */
export function accessRule (keys: Keys, isCluster: boolean, database: number): string {
  const { pattern } = keys
  return [
    `~${pattern} &${pattern} +@read +@write +@scripting +@pubsub -@dangerous +info +time +ping`,
    ...isCluster ? ['+cluster|slots +cluster|info'] : [],
    ...database === 0 ? [] : ['+select']
  ].join(' ')
}

/** Explains faults of a Redis server to its operator. Clients never see these texts. */
export class FaultNames {
  readonly #pattern: string
  readonly #rule: string

  constructor (keys: Keys, isCluster: boolean, database: number) {
    this.#pattern = keys.pattern
    this.#rule = accessRule(keys, isCluster, database)
  }

  /** null: not a known fault, so only its own message is available. */
  textOf (error: unknown): string | null {
    const fault = faultOf(error)
    if (fault === null) return null
    const text = fault.text.replace(/([~&])\*/, `$1${this.#pattern}`)
    return fault.kind === 'access' ? `${text}. All permissions that it needs: ${this.#rule}` : text
  }

  /** Describes a fault for `Health`. */
  describe (error: unknown): { text: string | null, error: unknown } {
    return { text: this.textOf(error), error }
  }

  /** Creates the error with which startup fails; it explains faults that the app's developer or operator can fix. */
  ofStart (error: unknown): unknown {
    const text = this.textOf(error)
    if (text === null) return error
    return isLasting(error)
      ? new InvalidOptionError('engine', `cannot use this Redis: ${text}`, { cause: error })
      : unavailable(text, error)
  }
}

/** Creates the error with which Redis would refuse these commands. */
export function notPermitted (names: readonly string[]): Error {
  return new Error(`NOPERM this user has no permissions to run the '${names.join(', ')}' command`)
}
