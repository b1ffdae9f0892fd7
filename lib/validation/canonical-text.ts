/** A value as text, the same for equal values, whatever the order of their fields. The text of an object or array is no start of another's. */
export interface CanonicalText {
  text: string
  /** True if it is only the start. */
  isCut: boolean
}

/**
 * Serializes a value up to a length, so that a client's large value costs no more than what it is compared with.
 *
 * @param most characters
 */
export function textOf (value: unknown, most: number): CanonicalText {
  const writer = new Writer(most)
  return { isCut: !writer.add(value), text: writer.text }
}

class Writer {
  text = ''
  readonly #most: number

  constructor (most: number) {
    this.#most = most
  }

  /** Returns false once the text is long enough. */
  add (value: unknown): boolean {
    if (typeof value === 'string') return this.#fits(value.length) && this.#write(JSON.stringify(value))
    if (typeof value !== 'object' || value === null) return this.#write(`${typeof value} ${String(value)}`)
    if (Array.isArray(value)) return this.#addItems(value)
    return value instanceof Date ? this.#write(`date ${value.getTime()}`) : this.#addFields(value as Record<string, unknown>)
  }

  #addItems (items: readonly unknown[]): boolean {
    this.#write('[')
    for (const item of items) if (!this.add(item) || !this.#write(',')) return false
    return this.#write(']')
  }

  #addFields (fields: Record<string, unknown>): boolean {
    const names = Object.keys(fields)
    if (!this.#fits(names.length)) return false
    this.#write('{')
    for (const name of names.sort()) if (!this.add(name) || !this.#write(':') || !this.add(fields[name]) || !this.#write(',')) return false
    return this.#write('}')
  }

  #fits (characters: number): boolean {
    return this.text.length + characters <= this.#most
  }

  #write (text: string): boolean {
    this.text += text
    return this.#fits(0)
  }
}
