import { matchesFormat } from './formats.js'
import type { Fault, Part } from './part.js'
import type { Pattern } from './pattern.js'

export interface TextRules {
  minLength?: number
  maxLength?: number
  pattern?: Pattern
  /** Name of the pattern in faults. */
  patternName?: string
  format?: string
}

/** A text with a pattern or format. Its length is checked first, so neither runs on a text that is too long. */
export class Text implements Part {
  readonly clean = null
  readonly expects = 'string'
  readonly #rules: TextRules

  constructor (rules: TextRules) {
    this.#rules = rules
  }

  check (value: unknown): boolean {
    return this.#fault(value) === null
  }

  * faults (value: unknown): Iterable<Fault> {
    const message = this.#fault(value)
    if (message !== null) yield { path: '', message }
  }

  #fault (value: unknown): string | null {
    const { minLength = 0, maxLength = Infinity, pattern, patternName, format } = this.#rules
    if (typeof value !== 'string') return 'Expected string'
    if (value.length > maxLength) return `Expected string length less or equal to ${maxLength}`
    if (value.length < minLength) return `Expected string length greater or equal to ${minLength}`
    if (pattern?.test(value) === false) return `Expected string to match '${patternName}'`
    if (format !== undefined && !matchesFormat(format, value)) return `Expected string to match '${format}' format`
    return null
  }
}
