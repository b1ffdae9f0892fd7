/** A part of a list, and the cursor behind which the next one begins; null: this is the last. */
export interface Page<T> { items: T[], next: string | null }

/** Takes the first page of what there is. */
export function firstPage<T> (elements: Iterable<T>, limit: number, cursorOf: (element: T) => string): Page<T> {
  const items: T[] = []
  for (const element of elements) {
    if (items.length === limit) return { items, next: cursorOf(items.at(-1)!) }
    items.push(element)
  }
  return { items, next: null }
}

/** Makes one page of several that begin at the same place. */
export function mergePages<T> (pages: ReadonlyArray<Page<T>>, limit: number, compare: (a: T, b: T) => number, cursorOf: (element: T) => string): Page<T> {
  const { items, next } = firstPage(pages.flatMap(({ items }) => items).sort(compare), limit, cursorOf)
  const goesOn = pages.some(({ next }) => next !== null)
  return { items, next: goesOn ? cursorOf(items.at(-1)!) : next }
}

/*
 * Most lists are in the order in which their elements came to be, and of one millisecond by id. Such a cursor is good also when
 * its element is gone.
 */

export function cursorOf (at: number, id: string): string {
  return `${at}:${id}`
}

/** Reads a cursor that its schema has accepted. */
export function readCursor (cursor: string): [at: number, id: string] {
  const end = cursor.indexOf(':')
  return [Number(cursor.slice(0, end)), cursor.slice(end + 1)]
}

/** Compares texts by their UTF-16 code units, whatever the locale. */
export function compareTexts (a: string, b: string): number {
  return Number(a > b) - Number(a < b)
}
