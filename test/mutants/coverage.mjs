import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Coverage of the product by one test file, by V8's own count.
 *
 * @typedef {{ test: string, ms: number, ranges: Record<string, [start: number, end: number, isRun: 0 | 1][]> }} Covered `ranges` by file, the
 *   inner ones behind those that they are in
 */

/**
 * Runs a test file and notes what of the product it runs.
 *
 * @returns {Promise<Covered | null>} null: it fails as it is, and can show nothing
 */
export async function coverageOf (test, workspace, timeoutMs) {
  const folder = await mkdtemp(join(tmpdir(), 'mutants-coverage-'))
  try {
    const from = performance.now()
    const outcome = await workspace.run(test, timeoutMs, { NODE_V8_COVERAGE: folder })
    const ms = Math.round(performance.now() - from)
    return outcome === 'passed' ? { test, ms, ranges: await rangesIn(folder, workspace.root) } : null
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Tells whether a test file runs the character at a place. */
export function runs ({ ranges }, file, at) {
  let isRun = false
  for (const [start, end, count] of ranges[file] ?? []) if (start <= at && at < end) isRun = count === 1
  return isRun
}

/** Of several processes one is enough that runs a place: ranges of each follow one another, so what is run there is added behind. */
async function rangesIn (folder, root) {
  const ranges = {}
  for (const name of await readdir(folder)) {
    const { result } = JSON.parse(await readFile(join(folder, name), 'utf8'))
    for (const { url, functions } of result) {
      if (!url.startsWith('file://')) continue
      const path = fileURLToPath(url)
      if (!path.startsWith(join(root, 'dist/lib/')) && !path.startsWith(join(root, 'dist/routes/'))) continue
      const file = path.slice(root.length + 1)
      const own = functions.flatMap(({ ranges }) => ranges).map(({ startOffset, endOffset, count }) => [startOffset, endOffset, count > 0 ? 1 : 0])
      own.sort(([a, b], [c, d]) => a - c || d - b)
      ranges[file] = ranges[file] === undefined ? own : union(ranges[file], own)
    }
  }
  return ranges
}

function union (a, b) {
  const cuts = [...new Set([...a, ...b].flatMap(([start, end]) => [start, end]))].sort((x, y) => x - y)
  const isRun = (ranges, at) => runs({ ranges: { file: ranges } }, 'file', at)
  return cuts.slice(0, -1).map((start, index) => [start, cuts[index + 1], isRun(a, start) || isRun(b, start) ? 1 : 0])
}
