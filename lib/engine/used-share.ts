import { RateLimitedError } from '../errors.js'

/** The answer to a publication for which its sender's share has no room. */
export function shareUsedUp (): Error {
  return new RateLimitedError('Your share of the message histories is used up; wait until earlier messages of yours have expired')
}

/** The answer to a publication that is larger than a share. */
export function largerThanShare (): Error {
  return new RateLimitedError('The message is larger than a sender\'s share of the message histories')
}
