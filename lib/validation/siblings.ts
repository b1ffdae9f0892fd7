import { together } from './clean.js'
import type { Node } from './node.js'
import type { Clean, Fault, Part } from './part.js'

/** Conditions that a value fulfils all, as keywords of JSON Schema beside each other are. */
export class Siblings implements Part {
  readonly #members: ReadonlyArray<{ node: Node, isNeutral: boolean }>

  constructor (members: ReadonlyArray<{ node: Node, isNeutral: boolean }>) {
    this.#members = members
  }

  get clean (): Clean | null {
    const cleaners = this.#members.filter(({ isNeutral }) => !isNeutral).map(({ node }) => node.clean)
    // A member that removes nothing keeps everything.
    return cleaners.length === 0 || cleaners.includes(null) ? null : together(cleaners as Clean[])
  }

  check (value: unknown): boolean {
    return this.#members.every(({ node }) => node.check(value))
  }

  * faults (value: unknown): Iterable<Fault> {
    for (const { node } of this.#members) yield * node.faults(value)
  }
}
