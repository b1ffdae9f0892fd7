/**
 * How many rounds the processes of a comparison serve. Two processes of one program differ for as long as they live, by where
 * code and data came to lie and by what was compiled when. Of new ones every few rounds that is a part of the scatter, and
 * not of the ratio.
 */
const SITTING = 3

/**
 * Runs the peers in turns: A, B, C, C, B, A, A, B, C, … What the machine does besides then meets all of them alike, and nobody
 * always comes behind the same other.
 *
 * @param {string[]} keys the peers
 * @param {(key: string, number: number) => Promise<object>} round
 * @param {number} [from] the number of the first round
 * @returns {Promise<Record<string, object[]>>} the rounds of each peer
 */
export async function interleaved (keys, count, round, from = 0) {
  const rounds = Object.fromEntries(keys.map((key) => [key, []]))
  for (let number = from; number < from + count; number++) {
    for (const key of number % 2 === 0 ? keys : keys.toReversed()) rounds[key].push(await round(key, number))
  }
  return rounds
}

/**
 * The same with processes that serve several rounds: all of them, or in a comparison with an earlier build a few.
 *
 * @param {() => Promise<void>} begin starts the processes
 * @param {() => Promise<void>} end stops them
 */
export async function inSittings ({ rounds: count, against }, keys, { begin, round, end }) {
  const size = against === null ? count : SITTING
  const rounds = Object.fromEntries(keys.map((key) => [key, []]))
  for (let done = 0; done < count; done += size) {
    await begin()
    const more = await interleaved(keys, Math.min(size, count - done), round, done)
    for (const key of keys) rounds[key].push(...more[key])
    await end()
  }
  return rounds
}
