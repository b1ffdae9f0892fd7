import type { Retention } from '../engine/engine.js'
import { InvalidOptionError } from '../errors.js'
import type { Options } from '../options.js'
import { channelOf } from './topic-names.js'

/** How a topic is kept. */
export interface StreamRule {
  /** null: nothing is kept, and the topic has no positions. */
  retention: Retention | null
  /** Whether it is known who is in the channel, and told. */
  presence: boolean
  /** Whether who comes gets the last message, instead of everything since its own position. */
  latest: boolean
}

type ChannelRule = Options['channels'][string]

/**
 * Which rule is whose: `all` and the users' topics have the default, channels what the patterns say that match their name,
 * each field as the last of them has it.
 */
export class StreamRules {
  readonly #default: StreamRule
  readonly #patterns: { matches: (channel: string) => boolean, rule: ChannelRule }[]

  /** @throws WSM_ERR_INVALID_OPTION that names a bad pattern */
  constructor ({ history, channels }: Pick<Options, 'history' | 'channels'>) {
    const { enabled, size, ttlMs } = history
    this.#default = { retention: enabled ? { size, ttlMs } : null, presence: false, latest: false }
    this.#patterns = Object.entries(channels).map(([pattern, rule]) => ({ matches: glob(pattern), rule }))
  }

  of (topic: string): StreamRule {
    if (this.#patterns.length === 0) return this.#default
    const channel = channelOf(topic)
    if (channel === null) return this.#default
    let rule = this.#default
    for (const { matches, rule: next } of this.#patterns) if (matches(channel)) rule = merge(rule, next)
    return rule
  }
}

function merge (rule: StreamRule, { history, presence, recover }: ChannelRule): StreamRule {
  return {
    retention: history === undefined ? rule.retention : history === false ? null : { ...DEFAULT_RETENTION, ...rule.retention, ...history },
    presence: presence ?? rule.presence,
    latest: recover === undefined ? rule.latest : recover === 'latest'
  }
}

/** What a rule that switches history on where it is off by default does not say. */
const DEFAULT_RETENTION: Retention = { size: 300, ttlMs: 300_000 }

/** `*` stands for any text. In time linear to the name: names come from clients, and a regular expression might not be. */
function glob (pattern: string): (name: string) => boolean {
  if (pattern === '' || pattern.length > 200 || pattern.includes('**')) {
    throw new InvalidOptionError('channels', `has a bad pattern "${pattern}": a channel's name, up to 200 characters, in which * stands for any text`)
  }
  const [head, ...rest] = pattern.split('*') as [string, ...string[]]
  const tail = rest.pop()
  if (tail === undefined) return (name) => name === pattern
  return (name) => {
    if (!name.startsWith(head) || !name.endsWith(tail) || name.length < head.length + tail.length) return false
    const end = name.length - tail.length
    let from = head.length
    for (const part of rest) {
      const at = name.indexOf(part, from)
      if (at === -1 || at + part.length > end) return false
      from = at + part.length
    }
    return true
  }
}
