import { Type, type Static } from '@sinclair/typebox'
import { InvalidOptionError } from '../errors.js'
import { namePattern } from '../name-pattern.js'
import { Rate } from '../socket/rate.js'

/** Rate of one user's messages of one type, in place of `limits.messagesPerSecond` and `limits.burst`. */
export const TypeLimit = Type.Object({
  messagesPerSecond: Type.Number({ exclusiveMinimum: 0, maximum: 10_000_000, description: 'Sustained rate of messages of the type' }),
  burst: Type.Integer({ minimum: 1, maximum: 10_000_000, description: 'Burst of messages of the type' })
}, { additionalProperties: false })
export type TypeLimit = Static<typeof TypeLimit>

/** Rates of messages by type, from `limits.types`; of several matching patterns the last one counts. */
export class TypeLimits {
  readonly #patterns: { matches: (type: string) => boolean, limit: TypeLimit }[]

  /** @throws WSM_ERR_INVALID_OPTION that names a bad pattern */
  constructor (types: Readonly<Record<string, TypeLimit>>) {
    this.#patterns = Object.entries(types).map(([pattern, limit]) => {
      const matches = namePattern(pattern)
      if (matches === null) throw new InvalidOptionError('limits.types', `has a bad pattern "${pattern}": a message's type, up to 200 characters, in which * stands for any text`)
      return { matches, limit }
    })
  }

  /**
   * Returns the rate of a type; null: its messages count like all others.
   *
   * @param own the handler's own limit, which takes precedence
   */
  of (type: string, own?: TypeLimit): Rate | null {
    const limit = own ?? this.#patterns.findLast(({ matches }) => matches(type))?.limit
    return limit === undefined ? null : new Rate(limit.messagesPerSecond, limit.burst)
  }
}
