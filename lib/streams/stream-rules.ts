import type { Retention } from '../engine/engine.js'
import { InvalidOptionError } from '../errors.js'
import { namePattern } from '../name-pattern.js'
import { channelOf, roleOf, topicOf } from '../topic-names.js'
import type { StreamOptions } from './options.js'

/** How a topic is kept. */
export interface StreamRule {
  /** null: nothing is kept, and the topic has no positions. */
  retention: Retention | null
  /** Whether it is known who is in the channel, and told. */
  presence: boolean
  /** Whether who comes gets the last message, instead of everything since its own position. */
  latest: boolean
  /** True if a client without a position may ask for all that is kept. */
  fromStart: boolean
}

type ChannelRule = StreamOptions['channels'][string]

/**
 * The rule of each topic: `all` and roles have the default. So have users and tasks, whose topics are read from the start. Channels have
 * what the patterns that match their name say, each field as the last of them has it.
 */
export class StreamRules {
  readonly #default: StreamRule
  /** Users' own streams, those of their tasks included, are theirs from the start. */
  readonly #ofUsers: StreamRule
  readonly #patterns: { matches: (channel: string) => boolean, rule: ChannelRule }[]

  /** @throws WSM_ERR_INVALID_OPTION that names a bad pattern */
  constructor ({ history, channels }: Pick<StreamOptions, 'history' | 'channels'>) {
    const { enabled, size, ttlMs, recoverFrom } = history
    this.#default = { retention: enabled ? { size, ttlMs } : null, presence: false, latest: false, fromStart: recoverFrom === 'start' }
    this.#ofUsers = { ...this.#default, fromStart: true }
    this.#patterns = Object.entries(channels).map(([pattern, rule]) => ({ matches: matcher(pattern), rule }))
  }

  of (topic: string): StreamRule {
    const channel = channelOf(topic)
    if (channel === null) return topic === topicOf.all || roleOf(topic) !== null ? this.#default : this.#ofUsers
    let rule = this.#default
    for (const { matches, rule: next } of this.#patterns) if (matches(channel)) rule = merge(rule, next)
    return rule
  }
}

function merge (rule: StreamRule, { history, presence, recover, recoverFrom }: ChannelRule): StreamRule {
  return {
    retention: history === undefined ? rule.retention : history === false ? null : { ...DEFAULT_RETENTION, ...rule.retention, ...history },
    presence: presence ?? rule.presence,
    latest: recover === undefined ? rule.latest : recover === 'latest',
    fromStart: recoverFrom === undefined ? rule.fromStart : recoverFrom === 'start'
  }
}

/** What a rule that switches history on where it is off by default does not say. */
const DEFAULT_RETENTION: Retention = { size: 300, ttlMs: 300_000 }

/** @throws WSM_ERR_INVALID_OPTION */
function matcher (pattern: string): (channel: string) => boolean {
  const matches = namePattern(pattern)
  if (matches !== null) return matches
  throw new InvalidOptionError('channels', `has a bad pattern "${pattern}": a channel's name, up to 200 characters, in which * stands for any text`)
}
