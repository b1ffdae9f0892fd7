import { randomUUID } from 'node:crypto'

/** Milliseconds since 1970 and a counter within each, of the last id. */
let last = 0n

/**
 * Makes an id that cannot be guessed, and sorts after all earlier ids of this process (UUID version 7, RFC 9562 section 5.7), so
 * that questions of one millisecond are listed in the order in which they were asked.
 *
 * @param now by the clock that the nodes share
 */
export function nextQuestionId (now: number): string {
  const first = BigInt(now) << 12n
  last = first > last ? first : last + 1n
  const time = last.toString(16).padStart(15, '0')
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${time.slice(12)}-${randomUUID().slice(19)}`
}
