/** Longer names are never treated as misspellings. */
const MOST_CHARACTERS = 64

/** Finds the name that was probably meant: at most two edits away. null: none is close enough. */
export function nearestName (input: string, names: readonly string[]): string | null {
  if (input.length > MOST_CHARACTERS) return null
  const most = Math.min(2, Math.floor(input.length / 3))
  const near = names.map((name) => ({ name, distance: distanceOf(input.toLowerCase(), name.toLowerCase()) }))
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance)
  return near[0]?.name ?? null
}

/** Edit distance: characters inserted, deleted, replaced or swapped with their neighbour (optimal string alignment). */
function distanceOf (a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(replaced, last[j]! + 1, row[j - 1]! + 1, isSwapped ? before[j - 2]! + 1 : Infinity))
    }
    before = last
    last = row
  }
  return last[b.length]!
}
