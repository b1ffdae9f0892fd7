import type { ChannelRule } from '../channel-rule.js'
import type { Retention } from '../engine/engine.js'
import { InvalidOptionError } from '../errors.js'
import { namePattern } from '../name-pattern.js'
import { channelOf, roleOf, topicOf } from '../topic-names.js'
import type { StreamOptions } from './options.js'

/** Rule of one topic. */
export interface StreamRule {
  /** null: no history, and no positions. */
  retention: Retention | null
  /** True if the channel has presence. */
  presence: boolean
  /** True if a subscriber gets only the last message, instead of everything after its position. */
  latest: boolean
  /** True if a client without a position may read the whole history. */
  fromStart: boolean
}

/**
 * Determines the rule of each topic. `all` and roles have the default rule; users and tasks too, except that their topics can be read
 * from the start. For channels the rules of all matching patterns are merged; the last one that sets a field wins.
 */
export class StreamRules {
  readonly #default: StreamRule
  /** Retention for rules that name only a part of it. */
  readonly #retention: Retention
  /** Topics of users and tasks, which their user can read from the start. */
  readonly #ofUsers: StreamRule
  readonly #patterns: { matches: (channel: string) => boolean, rule: ChannelRule }[]

  /**
   * @param ofContract rules that come before those of the options
   * @throws WSM_ERR_INVALID_OPTION that names a bad pattern
   */
  constructor ({ history, channels }: Pick<StreamOptions, 'history' | 'channels'>, ofContract: StreamOptions['channels'] = {}) {
    const { enabled, size, ttlMs, recoverFrom } = history
    this.#retention = { size, ttlMs }
    this.#default = { retention: enabled ? this.#retention : null, presence: false, latest: false, fromStart: recoverFrom === 'start' }
    this.#ofUsers = { ...this.#default, fromStart: true }
    this.#patterns = [...Object.entries(ofContract), ...Object.entries(channels)].map(([pattern, rule]) => ({ matches: matcher(pattern), rule }))
  }

  of (topic: string): StreamRule {
    const channel = channelOf(topic)
    if (channel === null) return topic === topicOf.all || roleOf(topic) !== null ? this.#default : this.#ofUsers
    let rule = this.#default
    for (const { matches, rule: next } of this.#patterns) if (matches(channel)) rule = this.#merge(rule, next)
    return rule
  }

  #merge (rule: StreamRule, { history, presence, recover, recoverFrom }: ChannelRule): StreamRule {
    return {
      retention: history === undefined ? rule.retention : history === false ? null : { ...rule.retention ?? this.#retention, ...history },
      presence: presence ?? rule.presence,
      latest: recover === undefined ? rule.latest : recover === 'latest',
      fromStart: recoverFrom === undefined ? rule.fromStart : recoverFrom === 'start'
    }
  }
}

/** @throws WSM_ERR_INVALID_OPTION */
function matcher (pattern: string): (channel: string) => boolean {
  const matches = namePattern(pattern)
  if (matches !== null) return matches
  throw new InvalidOptionError('channels', `has a bad pattern "${pattern}": expected a channel name of up to 200 characters, in which * matches any text`)
}
