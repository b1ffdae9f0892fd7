/*
 * Lists are in the order in which their elements came to be, and of one millisecond by id. A cursor names the element behind which
 * a page begins; it is good also when that is gone.
 */

export function cursorOf (at: number, id: string): string {
  return `${at}:${id}`
}

/** Reads a cursor that its schema has accepted. */
export function readCursor (cursor: string): [at: number, id: string] {
  const [at, id] = cursor.split(':') as [string, string]
  return [Number(at), id]
}

/** Compares texts by their UTF-16 code units, whatever the locale. */
export function compareTexts (a: string, b: string): number {
  return Number(a > b) - Number(a < b)
}
