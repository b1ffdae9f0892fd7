/** Maximum elements of a block. */
const BLOCK = 512

/**
 * A sorted set for paging through long lists: adding, deleting and finding the start of a page cost a binary search and a move
 * within one block, however long the list. `P` is the part of an element that determines its order.
 */
export class OrderedSet<T extends P, P = T> {
  /** Each is sorted and not empty, and precedes the next one. */
  readonly #blocks: T[][] = []
  readonly #compare: (a: P, b: P) => number

  /** @param compare 0 for the same element, negative if the first precedes the second */
  constructor (compare: (a: P, b: P) => number) {
    this.#compare = compare
  }

  get isEmpty (): boolean {
    return this.#blocks.length === 0
  }

  /** Adding twice is harmless. */
  add (element: T): void {
    const last = this.#blocks.length - 1
    if (last === -1) {
      this.#blocks.push([element])
      return
    }
    // Most elements are newer than all others.
    const isLast = this.#compare(this.#blocks[last]!.at(-1)!, element) < 0
    const at = isLast ? last : this.#blockOf(element)
    const block = this.#blocks[at]!
    const index = isLast ? block.length : this.#search(block, element)
    if (!isLast && this.#compare(block[index]!, element) === 0) return
    block.splice(index, 0, element)
    if (block.length > BLOCK) this.#blocks.splice(at + 1, 0, block.splice(BLOCK / 2))
  }

  /** Deleting a missing element is harmless. */
  delete (element: T): void {
    const at = this.#blockOf(element)
    const block = this.#blocks[at]
    if (block === undefined) return
    const index = this.#search(block, element)
    if (this.#compare(block[index]!, element) !== 0) return
    block.splice(index, 1)
    if (block.length === 0) this.#blocks.splice(at, 1)
  }

  /** Yields the elements in order; with `after` those behind it, which need not be in the set. The set must not change meanwhile. */
  * values (after: P | null = null): IterableIterator<T> {
    let at = 0
    let index = 0
    if (after !== null) {
      at = this.#blockOf(after)
      const block = this.#blocks[at]
      if (block === undefined) return
      index = this.#search(block, after)
      if (this.#compare(block[index]!, after) === 0) index++
    }
    for (; at < this.#blocks.length; at++, index = 0) {
      const block = this.#blocks[at]!
      for (; index < block.length; index++) yield block[index]!
    }
  }

  /** Finds the first block whose last element is not before this one. */
  #blockOf (element: P): number {
    return bisect(this.#blocks.length, (at) => this.#compare(this.#blocks[at]!.at(-1)!, element) < 0)
  }

  /** Finds the first index in a block that is not before the element. */
  #search (block: readonly T[], element: P): number {
    return bisect(block.length, (at) => this.#compare(block[at]!, element) < 0)
  }
}

/** Yields the elements of several sets in one order. The sets must not change meanwhile. */
export function * merged<T extends P, P = T> (sets: readonly OrderedSet<T, P>[], after: P | null, compare: (a: P, b: P) => number): IterableIterator<T> {
  const heads: { value: T, rest: IterableIterator<T> }[] = []
  const put = (rest: IterableIterator<T>) => {
    const { done, value } = rest.next()
    if (done !== true) heads.push({ value, rest })
  }
  for (const set of sets) put(set.values(after))
  while (heads.length > 0) {
    const first = heads.reduce((least, head) => compare(head.value, least.value) < 0 ? head : least)
    yield first.value
    heads.splice(heads.indexOf(first), 1)
    put(first.rest)
  }
}

/** Binary search: the first index for which `isBefore` is false. */
function bisect (length: number, isBefore: (at: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(middle)) low = middle + 1
    else high = middle
  }
  return low
}
