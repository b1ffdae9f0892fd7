import { OURS } from './peers/index.mjs'
import { median, ratioInterval } from './statistics.mjs'

/** What counts, as a ratio. */
const MATTERS = { least: 0.97, most: 1.03 }

/**
 * Compares today's build with an earlier one, figure by figure.
 *
 * @param {Record<string, object[]>} rounds the rounds of each peer or variant; those of the earlier build have its name
 * @param {string} against the name of the earlier build
 * @returns {{ of: string, title: string, ours: number, theirs: number, ratio: object | null, verdict: string | null }[]}
 */
export function compare ({ figures, peers, isOwnOnly }, rounds, against) {
  const pairs = isOwnOnly === true ? peers.map((variant) => [variant, variantOf(variant, against)]) : [[OURS, against]]
  return pairs.filter((pair) => pair.every((key) => key in rounds)).flatMap(([of, earlier]) => figures.map(({ name, title, better }) => {
    const [ours, theirs] = [of, earlier].map((key) => rounds[key].map((round) => round[name] ?? round.latency?.[name]))
    const ratio = ratioInterval(ours, theirs)
    return { of, figure: name, title, ours: median(ours), theirs: median(theirs), ratio, verdict: better === undefined || ratio === null ? null : verdict(ratio, better) }
  }))
}

/** The name of a variant of a scenario as it runs with a build. */
export function variantOf (variant, build) {
  return build === OURS ? variant : `${variant}, ${build}`
}

/** A loss, or a gain, is one only where the whole interval is beyond what matters. */
function verdict ({ low, high }, better) {
  if (low > MATTERS.most) return better === 'less' ? 'LOSS' : 'gain'
  if (high < MATTERS.least) return better === 'less' ? 'gain' : 'LOSS'
  return low >= MATTERS.least && high <= MATTERS.most ? 'within 3 %' : 'unclear'
}
