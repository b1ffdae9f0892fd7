/**
 * Runs the peers in turns: A, B, C, A, B, C, … What the machine does besides then meets all of them alike.
 *
 * @param {string[]} keys the peers
 * @param {(key: string, number: number) => Promise<object>} round
 * @returns {Promise<Record<string, object[]>>} the rounds of each peer
 */
export async function interleaved (keys, count, round) {
  const rounds = Object.fromEntries(keys.map((key) => [key, []]))
  for (let number = 0; number < count; number++) {
    for (const key of keys) rounds[key].push(await round(key, number))
  }
  return rounds
}
