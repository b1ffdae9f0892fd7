import { RateLimitedError } from '../errors.js'

/** Refusal of a publication that exceeds what is left of its sender's share. */
export function shareUsedUp (): Error {
  return new RateLimitedError('Your share of the message history is used up; wait until your earlier messages expire')
}

/** Refusal of a publication that is larger than a whole share. */
export function largerThanShare (): Error {
  return new RateLimitedError('The message is larger than a sender\'s share of the message history')
}
