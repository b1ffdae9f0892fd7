import { createContext, Script, type Context } from 'node:vm'

/** How long a text may be that a pattern is held against. */
export const MAX_PATTERN_TEXT = 1_000
/**
 * How long one comparison may take, of the processor's time. On 1000 characters an honest pattern takes microseconds, one
 * whose ways to match grow with the square of the text a few milliseconds, with the cube some hundreds.
 */
const MAX_CPU_MS = 40
/** When a comparison is stopped for the first time, to look at how much of that time it had the processor. */
const FIRST_STOP_MS = 50
/** What ends a text, so that a pattern that has matched so far has to look for another way: this is where the time goes. */
const MISMATCHES = ['\u0000', '\n\u0000', '']
const COMMON = ['a', 'A', '0', ' ', '.', ',', '-', '_', '/', ':', '@', '"', '\\', '\n', 'ä', 'a0', 'a ', 'a.', 'a,', 'a-', '0.']
/** Of a pattern's own words not more are tried. */
const MOST_WORDS = 20

const run = new Script('for (const text of texts) new RegExp(source).test(text)')
/** Made when first used: it holds what a pattern is tried on, and nothing else that a script could reach. */
let context: Context | null = null
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
    verdict = isSlow(source, textsFor(source, maxLength))
    if (verdicts.size === MOST_VERDICTS) verdicts.clear()
    verdicts.set(key, verdict)
  }
  return verdict
}

/** All texts together first, which is enough for nearly every pattern; then those one by one that may be the reason. */
function isSlow (source: string, texts: string[]): boolean {
  return takesTooLong(source, texts) && texts.some((text) => takesTooLong(source, [text]))
}

/**
 * On a busy machine a process stands still for longer than any pattern may take: only what it had of the processor counts,
 * and while that is too little to tell it is tried again, for longer.
 */
function takesTooLong (source: string, texts: string[], stopMs = FIRST_STOP_MS): boolean {
  context ??= createContext({})
  Object.assign(context, { source, texts })
  const before = process.cpuUsage()
  if (!isStopped(context, stopMs)) return false
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 >= MAX_CPU_MS || takesTooLong(source, texts, stopMs * 2)
}

function isStopped (context: Context, stopMs: number): boolean {
  try {
    // Only a script of its own can be stopped while a pattern is at work.
    run.runInContext(context, { timeout: stopMs })
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
