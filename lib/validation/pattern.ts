import { RE2JS } from 're2js'
import { WELL_FORMED } from '../../schemas/fields.js'
import { setOf, type Range } from './character-sets.js'
import { SchemaError } from './schema-error.js'

/** Maximum length of a text that a pattern is matched against, in UTF-16 code units. */
export const MAX_PATTERN_TEXT = 1_000
/**
 * Limits of re2js's bit-state search, which visits each pair of instruction and position once, at some nanoseconds each. Beyond
 * them re2js falls back to a search that is five times as slow.
 */
const MAX_INSTRUCTIONS = 500
const MAX_STEPS = 256 * 1024

const LOW_SURROGATES: Range = [0xdc00, 0xdfff]
/** Private-use characters of plane 15. No text of a code-unit pattern contains them: each is two units. */
const LOW_SURROGATES_AS = 0xf0000

const ANY_ESCAPE = '\\\\c[A-Za-z]|\\\\x[\\dA-Fa-f]{2}|\\\\u[\\dA-Fa-f]{4}|\\\\0\\d|\\\\[^]'
const OTHERS = '\\[(?:\\\\[^]|[^\\]\\\\])*\\]|\\(\\?(?:<?[=!]|<[^>]*>|[a-z-]*:)|(?:[*+?]|\\{\\d+(?:,\\d*)?\\})\\??|[^]'
const UNIT_TOKEN = new RegExp(`${ANY_ESCAPE}|${OTHERS}`, 'g')
const POINT_TOKEN = new RegExp(`\\\\u[dD][89abAB][\\dA-Fa-f]{2}\\\\u[dD][c-fC-F][\\dA-Fa-f]{2}|\\\\u\\{[\\dA-Fa-f]+\\}|\\\\[pP]\\{[^}]*\\}|${ANY_ESCAPE}|${OTHERS}`, 'gu')

/** A JavaScript pattern that is matched in time linear in the text. It either matches exactly what JavaScript would match, or is refused. */
export class Pattern {
  readonly #engine: Pick<RE2JS, 'test'>
  readonly #isOfUnits: boolean

  /**
   * @param maxLength of the texts, UTF-16 code units
   * @throws SchemaError for a pattern beyond regular expressions in the strict sense (look-arounds, backreferences), or too big
   *   for texts of that length
   */
  constructor (source: string, flags: string, maxLength: number) {
    // Most frames contain names of users and channels. The alternatives of this pattern share no first unit, so JavaScript's
    // engine never backtracks.
    if (source === WELL_FORMED && flags === '') {
      this.#isOfUnits = false
      this.#engine = new RegExp(source)
      return
    }
    this.#isOfUnits = !flags.includes('u')
    const engine = compile(source, flags)
    const instructions = engine.programSize()
    // A one-pass program needs no search, so no limit applies.
    const isOnePass = engine.re2().onepass !== null
    if (!isOnePass && (instructions > MAX_INSTRUCTIONS || instructions * (maxLength + 1) > MAX_STEPS)) {
      throw new SchemaError(`has the pattern ${source}, which is too complex for texts of ${maxLength} characters: repeat less, or lower maxLength`)
    }
    // Disables re2js's lazy DFA: building a state costs a thousand steps, and a hostile text took 1.4 s.
    engine.re2().dfa.failed = true
    this.#engine = engine
  }

  /** Returns true if a text within the promised length contains a match. */
  test (text: string): boolean {
    return this.#engine.test(this.#isOfUnits ? withoutPairs(text) : text)
  }
}

/** @throws SchemaError */
function compile (source: string, flags: string): RE2JS {
  try {
    // JavaScript validates the syntax.
    RegExp(source, flags)
    return RE2JS.compile(translate(source, flags))
  } catch (error) {
    throw new SchemaError(`has the pattern ${source}, which cannot be matched in linear time: ${(error as Error).message}`)
  }
}

/** Replaces surrogates: the engine reads a pair as one character, but to a code-unit pattern it is two. */
function withoutPairs (text: string): string {
  return text.replace(/[\udc00-\udfff]/g, (low) => String.fromCodePoint(low.charCodeAt(0) - LOW_SURROGATES[0] + LOW_SURROGATES_AS))
}

/** Translates a pattern to RE2's syntax, with every class spelled out. */
function translate (source: string, flags: string): string {
  if (flags.includes('v')) throw new Error('it has the flag v')
  const isUnicode = flags.includes('u')
  const atomFlags = [...flags].filter((flag) => 'ius'.includes(flag)).join('')
  const translated = Array.from(source.matchAll(isUnicode ? POINT_TOKEN : UNIT_TOKEN), ([token]) => translateToken(token, flags, atomFlags)).join('')
  return flags.includes('y') ? `\\A(?:${translated})` : translated
}

function translateToken (token: string, flags: string, atomFlags: string): string {
  if (token === '^' || token === '$') {
    if (flags.includes('m')) throw new Error(`it has ${token} with the flag m`)
    return token === '^' ? '\\A' : '\\z'
  }
  if (/^\\b$/i.test(token)) {
    // With both flags two non-ASCII letters (U+017F, U+212A) count as word characters.
    if (/u/.test(flags) && /i/.test(flags)) throw new Error(`it has ${token} with the flags i and u`)
    return token
  }
  if (/^\\(?:[1-9k]|0\d)/.test(token)) throw new Error('it has a backreference or an octal escape')
  if (token === '\\c') throw new Error('it has \\c without a letter')
  if (/^\((?:$|\?:|\?<[^=!])/.test(token)) return '(?:'
  // A look-around, or a change of flags.
  if (token.startsWith('(')) throw new Error(`it has ${token}, which is not a plain group`)
  if (/^[)|*+?]/.test(token) || /^\{\d/.test(token)) return token
  const [character, ...more] = token
  // A plain character without case folding stands for itself.
  if (more.length === 0 && character !== '.' && !atomFlags.includes('i')) return write([[character!.codePointAt(0)!, character!.codePointAt(0)!]], atomFlags)
  return write(setOf(token, atomFlags), atomFlags)
}

function write (set: readonly Range[], atomFlags: string): string {
  const ranges = atomFlags.includes('u') ? set : set.flatMap(moveLowSurrogates)
  if (ranges.length === 0) return '[^\\x{0}-\\x{10FFFF}]'
  return `[${ranges.map(([first, last]) => `\\x{${first.toString(16)}}-\\x{${last.toString(16)}}`).join('')}]`
}

function moveLowSurrogates ([first, last]: Range): Range[] {
  const [low, high] = LOW_SURROGATES
  const parts: Range[] = [
    [first, Math.min(last, low - 1)],
    [Math.max(first, low) - low + LOW_SURROGATES_AS, Math.min(last, high) - low + LOW_SURROGATES_AS],
    [Math.max(first, high + 1), last]
  ]
  return parts.filter(([start, end]) => start <= end)
}
