import { createContext, Script, type Context } from 'node:vm'

/** How long a text may be that a pattern is held against. */
export const MAX_PATTERN_TEXT = 1_000
/** How long one comparison may take; an honest pattern takes microseconds. */
const MAX_MS = 50
/** What ends a text, so that a pattern that has matched so far has to look for another way: this is where the time goes. */
const MISMATCHES = ['\u0000', '\n\u0000', '']
const COMMON = ['a', 'A', '0', ' ', '.', ',', '-', '_', '/', ':', '@', '"', '\\', '\n', 'ä', 'a0', 'a ', 'a.', 'a,', 'a-', '0.']
/** Of a pattern's own words not more are tried. */
const MOST_WORDS = 20

const run = new Script('new RegExp(source).test(text)')
const verdicts = new Map<string, boolean>()
const MOST_VERDICTS = 1_000

/**
 * Whether a pattern takes too long on some text of the given length. It is tried, on texts that repeat what the pattern is
 * made of and end with what it does not take: so a search through all the ways to match shows, exponential or not.
 * A pattern that nobody has thought of may pass; the length bounds it. Verdicts are remembered.
 *
 * @throws SyntaxError for what is no pattern
 */
export function isCatastrophic (source: string, maxLength: number): boolean {
  const key = `${maxLength}:${source}`
  let verdict = verdicts.get(key)
  if (verdict === undefined) {
    verdict = isSlow(source, maxLength)
    if (verdicts.size === MOST_VERDICTS) verdicts.clear()
    verdicts.set(key, verdict)
  }
  return verdict
}

function isSlow (source: string, maxLength: number): boolean {
  const context = createContext({ source, text: '' })
  return textsFor(source, maxLength).some((text) => isSlowOn(context, text))
}

function isSlowOn (context: Context, text: string): boolean {
  context.text = text
  try {
    // Only a script of its own can be stopped while a pattern is at work.
    run.runInContext(context, { timeout: MAX_MS })
    return false
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return true
    throw new SyntaxError((error as Error).message)
  }
}

function textsFor (source: string, maxLength: number): string[] {
  const words = new Set([...COMMON, ...(source.match(/\w+/g) ?? []), ...source.replace(/[\\^$.*+?()[\]{}|]/g, '')].slice(0, COMMON.length + MOST_WORDS))
  return [...words].flatMap((word) => MISMATCHES.map((end) => word.repeat(Math.ceil(maxLength / word.length)).slice(0, maxLength - end.length) + end))
}
