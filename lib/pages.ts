/** A page of a list, and the cursor of the next page; null: this is the last one. */
export interface Page<T> { items: T[], next: string | null }

/** Takes the first page of a list. */
export function firstPage<T> (elements: Iterable<T>, limit: number, cursorOf: (element: T) => string): Page<T> {
  const items: T[] = []
  for (const element of elements) {
    if (items.length === limit) return { items, next: cursorOf(items.at(-1)!) }
    items.push(element)
  }
  return { items, next: null }
}

/** Merges several pages that start at the same cursor into one. */
export function mergePages<T> (pages: ReadonlyArray<Page<T>>, limit: number, compare: (a: T, b: T) => number, cursorOf: (element: T) => string): Page<T> {
  const { items, next } = firstPage(pages.flatMap(({ items }) => items).sort(compare), limit, cursorOf)
  const goesOn = pages.some(({ next }) => next !== null)
  return { items, next: goesOn ? cursorOf(items.at(-1)!) : next }
}

/*
 * Builds a cursor. Most lists are ordered by creation time, then by id. The cursor stays valid after its element is gone.
 */

export function cursorOf (at: number, id: string): string {
  return `${at}:${id}`
}

/** Parses a cursor that its schema has accepted. */
export function readCursor (cursor: string): [at: number, id: string] {
  const end = cursor.indexOf(':')
  return [Number(cursor.slice(0, end)), cursor.slice(end + 1)]
}

/** Compares texts by UTF-16 code units, independent of the locale. */
export function compareTexts (a: string, b: string): number {
  return Number(a > b) - Number(a < b)
}
