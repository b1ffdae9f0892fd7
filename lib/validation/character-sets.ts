/** A range of code points: the first and the last. */
export type Range = readonly [first: number, last: number]

/** Each half of the surrogates is a block of its own, so no two characters of a block are read as a pair. */
const BLOCK = 0x400
const BLOCKS = { units: 0x10000 / BLOCK, points: 0x110000 / BLOCK }
const MOST_SETS = 1_000
const texts = new Map<number, string>()
const sets = new Map<string, readonly Range[]>()

/**
 * Computes the characters that one atom of a JavaScript pattern matches: a class, an escape, a dot, a letter. V8 is asked, so
 * that classes, `\s`, `\w`, Unicode properties and case folding mean the same to any engine that gets the set. Patterns with the
 * flag `u` consist of code points, all others of UTF-16 code units.
 */
export function setOf (atom: string, flags: string): readonly Range[] {
  const key = `${flags}/${atom}`
  let set = sets.get(key)
  if (set === undefined) {
    set = findSet(atom, flags)
    if (sets.size === MOST_SETS) sets.clear()
    sets.set(key, set)
  }
  return set
}

function findSet (atom: string, flags: string): Range[] {
  const runs = new RegExp(`(?:${atom})+`, `g${flags}`)
  const found: Array<[number, number]> = []
  const blocks = flags.includes('u') ? BLOCKS.points : BLOCKS.units
  for (let first = 0; first < blocks * BLOCK; first += BLOCK) {
    // Characters beyond the first 65536 are two units long.
    const width = first < 0x10000 ? 1 : 2
    for (const { 0: run, index } of block(first).matchAll(runs)) {
      const start = first + index / width
      const last = start + run.length / width - 1
      const before = found.at(-1)
      if (before?.[1] === start - 1) before[1] = last
      else found.push([start, last])
    }
  }
  return found
}

/** Created on first use and cached: creating one takes ten times as long as reading it. */
function block (first: number): string {
  let text = texts.get(first)
  if (text === undefined) {
    text = String.fromCodePoint(...Array.from({ length: BLOCK }, (_, i) => first + i))
    texts.set(first, text)
  }
  return text
}
